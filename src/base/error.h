// The two ways to fail: Error (input, a file or the environment is wrong) and LATHE_CHECK (our
// bug).
#pragma once

#include <stdexcept>
#include <string>

#include "base/format.h"

namespace lathe {

// Says in one line where, what was found, what was expected and what to do. Only main() catches it,
// prints it and exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Error with the formatted message, for instance
//   fail("[safetensors] {}: '{}' is {}, expected {}; export it again?", path, name, got, expected)
template <class... Args>
[[noreturn]] void fail(std::string_view pattern, const Args&... args) {
  throw Error(format(pattern, args...));
}

// What `action` returns; an Error that does not know in which file it has found what is wrong gets
// `where` in front.
template <class Action>
auto blaming(const std::string& where, Action&& action) {
  try {
    return action();
  } catch (const Error& e) {
    throw Error(where + ": " + e.what());
  }
}

// Adds the reason of the last failed system call ("No space left on device").
[[noreturn]] void fail_errno(const std::string& what);

// `text` as one line that a terminal shows and does not obey: line ends and other control
// characters that a file or model has smuggled in become \n or \x1b, and bytes that are no UTF-8
// U+FFFD.
std::string one_line(std::string_view text);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace lathe

// Holds unless there is a bug in lathe itself; no input may trip it.
#define LATHE_CHECK(condition) \
  ((condition) ? void(0) : ::lathe::check_failed(#condition, __FILE__, __LINE__))

// The same for hot paths: checked in the dev and sanitizer builds only.
#ifdef LATHE_DCHECK_ON
#define LATHE_DCHECK(condition) LATHE_CHECK(condition)
#else
#define LATHE_DCHECK(condition) void(0)
#endif
