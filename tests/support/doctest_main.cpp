// The main of every test program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "base/error.h"
#include "base/library_environment.h"

int main(int argc, char** argv) {
  // LATHE_CPU_ISA is to limit LibTorch in tests too. Where this CPU lacks the class, the message
  // tells ctest to skip the test.
  try {
    lathe::enter_library_environment(argv);
  } catch (const lathe::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return doctest::Context(argc, argv).run();
}
