#include "eval/python_text.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace lathe {

namespace {

bool is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

// Where the last character begins; text is not empty.
size_t last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

uint32_t mapped(uint32_t c, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
  return static_cast<uint32_t>(map(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace

i64 count_code_points(std::string_view text) {
  i64 n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const size_t at = last_character(text);
    if (!is_space(read_code_point(text.substr(at)).value)) break;
    text = text.substr(0, at);
  }
  return text;
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = read_code_point(text);
    if (c.length == 0 || !is_space(c.value)) break;
    text.remove_prefix(c.length);
  }
  return strip_right(text);
}

std::string capitalized(std::string_view text) {
  std::string out;
  for (bool first = true; !text.empty(); first = false) {
    const CodePoint c = read_code_point(text);
    if (c.length == 0) return out.append(text);
    append_code_point(mapped(c.value, first ? utf8proc_totitle : utf8proc_tolower), out);
    text.remove_prefix(c.length);
  }
  return out;
}

std::string with_lower_first(std::string_view text) {
  const CodePoint c = text.empty() ? CodePoint{} : read_code_point(text);
  std::string out;
  if (c.length > 0) append_code_point(mapped(c.value, utf8proc_tolower), out);
  return out.append(text.substr(c.length));
}

std::string_view without_last(std::string_view text) {
  return text.empty() ? text : text.substr(0, last_character(text));
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    out.append(text.substr(at, found - at));
    if (found == text.npos) return out;
    out.append(to);
    at = found + from.size();
  }
}

}  // namespace lathe
