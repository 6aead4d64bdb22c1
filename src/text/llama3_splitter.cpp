#include "text/llama3_splitter.h"

#include <array>

#include "base/utf8.h"
#include "text/character_classes.h"

namespace lathe {
namespace {

using enum CharacterClass;

constexpr std::array<CharacterClass, 128> kAsciiClasses = [] {
  std::array<CharacterClass, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool white = (c >= 9 && c <= 13) || c == ' ';
    classes[c] = letter ? kLetter : c >= '0' && c <= '9' ? kNumber : white ? kWhite : kOther;
  }
  return classes;
}();

bool is_ascii_letter(char c) {
  return static_cast<uint8_t>((static_cast<uint8_t>(c) | 0x20) - 'a') < 26;
}

bool is_line_end(uint32_t c) { return c == '\r' || c == '\n'; }

}  // namespace

struct Llama3Splitter::Character {
  uint32_t value;
  CharacterClass kind;
  size_t length;  // 0: the end of the text

  bool is(CharacterClass wanted) const { return length > 0 && kind == wanted; }
};

Llama3Splitter::Character Llama3Splitter::read(size_t at) const {
  if (at >= text_.size()) return {0, kOther, 0};
  const auto byte = static_cast<uint8_t>(text_[at]);
  if (byte < 0x80) return {byte, kAsciiClasses[byte], 1};
  const CodePoint c = read_code_point(text_.substr(at));
  return {c.value, CharacterClasses::table().of(c.value), c.length};
}

// The alternatives of the pattern in their order:
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)      contraction_end
//   [^\r\n\p{L}\p{N}]?\p{L}+          letters_end
//   \p{N}{1,3}                        digits_end
//    ?[^\s\p{L}\p{N}]+[\r\n]*         symbols_end
//   \s*[\r\n]+|\s+(?!\S)|\s+          white_end
size_t Llama3Splitter::piece_end(size_t at) const {
  const Character first = read(at);
  if (first.is(kLetter)) return letters_end(at);
  if (first.is(kNumber)) return digits_end(at);
  if (first.value == '\'') {
    if (const size_t end = contraction_end(at); end > at) return end;
  }
  const Character second = read(at + first.length);
  if (second.is(kLetter) && !is_line_end(first.value)) return letters_end(at + first.length);
  if (first.is(kOther)) return symbols_end(at);
  if (first.value == ' ' && second.is(kOther)) return symbols_end(at + 1);
  return white_end(at);
}

// `at`: no contraction.
size_t Llama3Splitter::contraction_end(size_t at) const {
  const auto lower = [](uint32_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
  const Character second = read(at + 1);
  const uint32_t a = lower(second.value);
  // U+017F is an s to what ignores case.
  if (a == 's' || a == 't' || a == 'm' || a == 'd' || a == 0x17F) return at + 1 + second.length;
  const uint32_t b = lower(read(at + 2).value);
  const bool long_one = (a == 'l' && b == 'l') || ((a == 'v' || a == 'r') && b == 'e');
  return long_one ? at + 3 : at;
}

size_t Llama3Splitter::letters_end(size_t at) const {
  for (;;) {
    while (at < text_.size() && is_ascii_letter(text_[at])) ++at;
    const Character c = read(at);
    if (!c.is(kLetter)) return at;
    at += c.length;
  }
}

size_t Llama3Splitter::digits_end(size_t at) const {
  for (size_t n = 0; n < max_digits_; ++n) {
    const Character c = read(at);
    if (!c.is(kNumber)) break;
    at += c.length;
  }
  return at;
}

size_t Llama3Splitter::symbols_end(size_t at) const {
  for (Character c = read(at); c.is(kOther); c = read(at)) at += c.length;
  while (at < text_.size() && is_line_end(static_cast<uint8_t>(text_[at]))) ++at;
  return at;
}

// Of a run of white space: up to its last line end; where it has none, all of it at the end of the
// text, all but its last character elsewhere, and at least one.
size_t Llama3Splitter::white_end(size_t at) const {
  size_t behind_line_end = at, last = at, end = at;
  for (Character c = read(at); c.is(kWhite); c = read(end)) {
    last = end;
    end += c.length;
    if (is_line_end(c.value)) behind_line_end = end;
  }
  if (behind_line_end > at) return behind_line_end;
  return end == text_.size() || last == at ? end : last;
}

}  // namespace lathe
