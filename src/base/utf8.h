// The little UTF-8 that the tokenizers need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lathe {

// One code point and the bytes it takes; length 0: no well-formed code point starts there.
struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;
};

// The code point at the start of `text`; rejects overlong forms, surrogates and values > U+10FFFF.
CodePoint read_code_point(std::string_view text);

// Bytes at the start of `text` that are well-formed UTF-8.
size_t valid_utf8_prefix(std::string_view text);

// Bytes at the start of `text`, none of which begins a well-formed code point, that are read as one
// U+FFFD: the longest beginning of a code point that was cut short, else one byte (the Unicode
// standard's and Python's rule). `text` is not empty.
size_t broken_utf8_length(std::string_view text);

void append_code_point(uint32_t value, std::string& out);

}  // namespace lathe
