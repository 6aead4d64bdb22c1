#include "base/error.h"

#define FMT_HEADER_ONLY 1
#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/utf8.h"

namespace lathe {

std::string vformat(std::string_view pattern, std::initializer_list<FormatArg> args) {
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const FormatArg& a : args) {
    switch (a.type) {
      case FormatArg::Type::kInt:
        store.push_back(a.i);
        break;
      case FormatArg::Type::kUnsigned:
        store.push_back(a.u);
        break;
      case FormatArg::Type::kDouble:
        store.push_back(a.d);
        break;
      case FormatArg::Type::kBool:
        store.push_back(a.i != 0);
        break;
      case FormatArg::Type::kText:
        store.push_back(a.text);
        break;
    }
  }
  try {
    return fmt::vformat(pattern, store);
  } catch (const fmt::format_error& e) {
    std::fprintf(stderr, "bad format pattern '%.*s': %s\n", static_cast<int>(pattern.size()),
                 pattern.data(), e.what());
    std::abort();
  }
}

void fail_errno(const std::string& what) {
  const int code = errno;
  throw Error(what + ": " + std::strerror(code));
}

std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = read_code_point(text);
    if (c.length == 0) {
      out += "\uFFFD";
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa0)) {
      out += fmt::format("\\x{:02x}", c.value);
    } else {
      out += text.substr(0, c.length);
    }
    text.remove_prefix(c.length > 0 ? c.length : broken_utf8_length(text));
  }
  return out;
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s (a bug in lathe)\n", file, line, condition);
  std::abort();
}

}  // namespace lathe
