// GPT-2's pattern without a regular expression: 64 bytes of text at a time, as masks of classes.
// PCRE2 on the same pattern is what tests hold it against.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/byte_masks.h"
#include "text/character_classes.h"

namespace lathe {

enum class Gpt2Rule {
  kPlain,        // kGpt2Pattern
  kDigitsApart,  // \p{N}, each by itself, and kGpt2Pattern on what lies between (SmolLM)
};

// Splits one text. The text is well-formed UTF-8 and outlives this.
class Gpt2Splitter {
 public:
  Gpt2Splitter(std::string_view text, Gpt2Rule rule, MakeByteMasks make_masks)
      : text_(text), rule_(rule), make_masks_(make_masks) {}

  // Calls take(piece) for each piece, in order and without gaps.
  template <class Take>
  void split(Take&& take) {
    size_t begin = 0;
    while (at_ < text_.size()) {
      const size_t batch = at_;
      for (uint64_t starts = next_starts(); starts != 0; starts &= starts - 1) {
        const size_t start = batch + static_cast<size_t>(std::countr_zero(starts));
        if (start > begin) take(text_.substr(begin, start - begin));
        begin = start;
      }
    }
    if (begin < text_.size()) take(text_.substr(begin));
  }

 private:
  // Which class each byte of a batch belongs to, all bytes of a long character to that character's.
  struct Batch {
    size_t size = 0;  // bytes; a batch ends where a character ends
    uint64_t letters = 0, numbers = 0, white = 0, others = 0;
    uint64_t spaces = 0, apostrophes = 0;
    uint64_t first = ~uint64_t{0};  // first bytes of characters
    uint64_t high_white = 0;        // bytes of white space that is not ASCII
  };

  // The bytes at which pieces start, of the batch at at_; moves at_ behind it.
  uint64_t next_starts();
  Batch read_batch() const;
  void add_high(uint64_t high, Batch& batch) const;
  uint64_t white_starts(const Batch& batch) const;
  uint64_t with_contractions(uint64_t starts, const Batch& batch);
  CharacterClass class_at(size_t at) const;
  // 2 or 3 where "'s" or "'ll" and their like stand at `at`, else 0.
  size_t contraction_length(size_t at) const;

  std::string_view text_;
  Gpt2Rule rule_;
  MakeByteMasks make_masks_;
  size_t at_ = 0;
  // Bit 0: the byte before the batch is of that class.
  uint64_t letter_ = 0, number_ = 0, white_ = 0, other_ = 0, space_ = 0;
  // What a contraction at the end of a batch says of the next one.
  uint64_t cleared_ = 0, set_ = 0;
};

}  // namespace lathe
