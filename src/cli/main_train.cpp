// lathe-train: the commands that need LibTorch. `lathe` starts it.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/library_environment.h"
#include "cli/commands_train.h"

namespace {

struct Command {
  const char* name;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"train", lathe::cmd_train}, {"factorize", lathe::cmd_factorize}, {"bench", lathe::cmd_bench}};

int run(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  for (const Command& c : kCommands) {
    if (name == c.name) return c.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "lathe-train: expected train, factorize or bench, found '%s'\n",
               name.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  // A step frees and takes the same large tensors again and again: keep them, rather than have the
  // kernel zero fresh pages each time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  try {
    lathe::enter_library_environment(argv);
    return run(argc, argv);
  } catch (const CLI::ParseError& e) {
    CLI::App app;
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "lathe: %s; --help shows the usage\n", lathe::one_line(e.what()).c_str());
    return 2;
  } catch (const std::exception& e) {
    // LibTorch's messages carry a C++ backtrace after the first line.
    const std::string text = e.what();
    std::fprintf(stderr, "lathe: %s\n", lathe::one_line(text.substr(0, text.find('\n'))).c_str());
    return 1;
  }
}
