// Text formatting with {fmt} kept out of the headers: LibTorch's include folder brings another
// version of it, and compiling it in every file costs a second each.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace lathe {

// One formatted value. Borrows text: lives no longer than the full expression it is made in.
class FormatArg {
 public:
  enum class Type { kInt, kUnsigned, kDouble, kBool, kText };
  template <std::signed_integral T>
  FormatArg(T x) : type(Type::kInt), i(x) {}
  template <std::unsigned_integral T>
  FormatArg(T x) : type(Type::kUnsigned), u(x) {}
  template <std::floating_point T>
  FormatArg(T x) : type(Type::kDouble), d(x) {}
  FormatArg(bool x) : type(Type::kBool), i(x) {}
  FormatArg(const char* x) : type(Type::kText), text(x) {}
  FormatArg(std::string_view x) : type(Type::kText), text(x) {}
  FormatArg(const std::string& x) : type(Type::kText), text(x) {}

  Type type;
  union {
    int64_t i;
    uint64_t u;
    double d;
  };
  std::string_view text;
};

// `pattern` in {fmt}'s syntax. A pattern that does not fit its arguments is a bug and aborts.
std::string vformat(std::string_view pattern, std::initializer_list<FormatArg> args);

template <class... Args>
std::string format(std::string_view pattern, const Args&... args) {
  return vformat(pattern, {FormatArg(args)...});
}

}  // namespace lathe
