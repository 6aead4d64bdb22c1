// What a fuzz target is: libFuzzer's entry point, and seeds made in code. The target may return or
// throw nothing: it catches Error, which is a parser's only other way out, and checks with
// FUZZ_CHECK what must hold of a value that came back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace lathe::fuzz {

// Well-formed inputs of the target, for the mutations to start from.
std::vector<std::string> seeds();

// Inputs that a parser has taken so far: the target counts, and the driver makes sure that each
// seed gets through, since mutations of what is refused at once test nothing.
inline long n_accepted = 0;

inline std::string_view as_text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace lathe::fuzz

#define FUZZ_CHECK(condition)                                                            \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
