#include "base/utf8.h"

#include <algorithm>
#include <cstring>

namespace lathe {

CodePoint read_code_point(std::string_view text) {
  if (text.empty()) return {};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  uint32_t value = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  if (length == 3 && (value < 0x800 || (value >= 0xD800 && value < 0xE000))) return {};
  if (length == 4 && (value < 0x10000 || value > 0x10FFFF)) return {};
  return {value, length};
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    // Eight ASCII bytes at a time: most text is.
    uint64_t word;
    if (text.size() - i >= sizeof word) {
      std::memcpy(&word, text.data() + i, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const size_t length = read_code_point(text.substr(i)).length;
    if (length == 0) break;
    i += length;
  }
  return i;
}

size_t broken_utf8_length(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  // What was cut short is whole with any further bytes: only the second is bound to the first.
  for (size_t kept = std::min(length - 1, text.size()); kept > 1; --kept) {
    std::string whole(text.substr(0, kept));
    whole.resize(length, '\x80');
    if (read_code_point(whole).length == length) return kept;
  }
  return 1;
}

void append_code_point(uint32_t value, std::string& out) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

}  // namespace lathe
