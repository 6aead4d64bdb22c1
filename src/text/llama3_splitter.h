// Llama 3's pattern, and Qwen 2's that differs from it by the digits, without a regular expression:
// one piece after the other. PCRE2 on the same patterns is what tests hold it against.
#pragma once

#include <cstddef>
#include <string_view>

namespace lathe {

class Llama3Splitter {
 public:
  // `max_digits`: of \p{N} in a piece, 3 for Llama 3, 1 for Qwen 2. The text is well-formed UTF-8
  // and outlives this.
  Llama3Splitter(std::string_view text, size_t max_digits) : text_(text), max_digits_(max_digits) {}

  // Calls take(piece) for each piece, in order and without gaps.
  template <class Take>
  void split(Take&& take) const {
    for (size_t at = 0; at < text_.size();) {
      const size_t end = piece_end(at);
      take(text_.substr(at, end - at));
      at = end;
    }
  }

 private:
  struct Character;
  // At `at`, which may be the end of the text.
  Character read(size_t at) const;
  size_t piece_end(size_t at) const;
  size_t contraction_end(size_t at) const;
  size_t letters_end(size_t at) const;
  size_t digits_end(size_t at) const;
  size_t symbols_end(size_t at) const;
  size_t white_end(size_t at) const;

  std::string_view text_;
  size_t max_digits_;
};

}  // namespace lathe
