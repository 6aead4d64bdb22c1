#include "text/gpt2_splitter.h"

#include <cstring>

namespace lathe {
namespace {

struct Decoded {
  uint32_t value;
  size_t length;
};

// Of a character that is not ASCII, in well-formed UTF-8.
Decoded decode(const char* text) {
  const auto byte = [text](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(text[i]));
  };
  const uint32_t first = byte(0);
  const uint32_t second = byte(1) & 0x3F;
  if (first < 0xE0) return {(first & 0x1F) << 6 | second, 2};
  const uint32_t third = byte(2) & 0x3F;
  if (first < 0xF0) return {(first & 0xF) << 12 | second << 6 | third, 3};
  return {(first & 7) << 18 | second << 12 | third << 6 | (byte(3) & 0x3F), 4};
}

// Where a character of a full batch reaches beyond its end: that character's place; else the size.
size_t whole_characters(const char* bytes) {
  for (size_t back = 1; back <= 3; ++back) {
    const auto byte = static_cast<uint8_t>(bytes[kBatchBytes - back]);
    if (byte < 0x80) break;
    if (byte < 0xC0) continue;
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    return length > back ? kBatchBytes - back : kBatchBytes;
  }
  return kBatchBytes;
}

}  // namespace

CharacterClass Gpt2Splitter::class_at(size_t at) const {
  const auto byte = static_cast<uint8_t>(text_[at]);
  return CharacterClasses::table().of(byte < 0x80 ? byte : decode(text_.data() + at).value);
}

size_t Gpt2Splitter::contraction_length(size_t at) const {
  const char second = at + 1 < text_.size() ? text_[at + 1] : '\0';
  if (second == 's' || second == 't' || second == 'm' || second == 'd') return 2;
  const char third = at + 2 < text_.size() ? text_[at + 2] : '\0';
  const bool long_one =
      (second == 'l' && third == 'l') || ((second == 'v' || second == 'r') && third == 'e');
  return long_one ? 3 : 0;
}

Gpt2Splitter::Batch Gpt2Splitter::read_batch() const {
  Batch batch;
  ByteMasks masks;
  const char* bytes = text_.data() + at_;
  const size_t left = text_.size() - at_;
  if (left >= kBatchBytes) {
    make_masks_(bytes, masks);
    batch.size = masks.high == 0 ? kBatchBytes : whole_characters(bytes);
  } else {
    char padded[kBatchBytes] = {};
    std::memcpy(padded, bytes, left);
    make_masks_(padded, masks);
    batch.size = left;
  }
  const uint64_t inside = ~uint64_t{0} >> (kBatchBytes - batch.size);
  batch.letters = masks.letters & inside;
  batch.numbers = masks.digits & inside;
  batch.white = masks.white & inside;
  batch.spaces = masks.spaces & inside;
  batch.apostrophes = masks.apostrophes & inside;
  if ((masks.high & inside) != 0) add_high(masks.high & inside, batch);
  batch.others = inside & ~(batch.letters | batch.numbers | batch.white);
  return batch;
}

void Gpt2Splitter::add_high(uint64_t high, Batch& batch) const {
  const CharacterClasses& classes = CharacterClasses::table();
  uint64_t left = high;
  while (left != 0) {
    const int bit = std::countr_zero(left);
    const Decoded c = decode(text_.data() + at_ + bit);
    const uint64_t bytes = ((uint64_t{1} << c.length) - 1) << bit;
    left &= ~bytes;
    batch.first &= ~(bytes & (bytes << 1));
    switch (classes.of(c.value)) {
      case CharacterClass::kLetter:
        batch.letters |= bytes;
        break;
      case CharacterClass::kNumber:
        batch.numbers |= bytes;
        break;
      case CharacterClass::kWhite:
        batch.white |= bytes;
        batch.high_white |= bytes;
        break;
      case CharacterClass::kOther:
        break;
    }
  }
}

// A run of white space is a piece, without its last character where something else follows; a last
// space belongs to what follows, any other last character is a piece.
uint64_t Gpt2Splitter::white_starts(const Batch& batch) const {
  const uint64_t runs = batch.white & ~(batch.white << 1 | white_);
  uint64_t followed = ~batch.white;  // bytes behind which a run may end so
  if (rule_ == Gpt2Rule::kDigitsApart) followed &= ~batch.numbers;
  followed >>= 1;
  const uint64_t last_bit = uint64_t{1} << (batch.size - 1);
  followed &= last_bit - 1;
  if ((batch.white & last_bit) != 0 && at_ + batch.size < text_.size()) {
    const CharacterClass next = class_at(at_ + batch.size);
    const bool ends = next == CharacterClass::kWhite ||
                      (rule_ == Gpt2Rule::kDigitsApart && next == CharacterClass::kNumber);
    if (!ends) followed |= last_bit;
  }
  uint64_t last = batch.white & followed;
  for (uint64_t high = last & batch.high_white; high != 0; high &= high - 1) {
    const uint64_t bit = high & ~(high - 1);
    last &= ~bit;
    // The highest first byte of a character that is not above `bit`.
    last |= std::bit_floor(batch.first & (bit | (bit - 1)));
  }
  return runs | last;
}

uint64_t Gpt2Splitter::with_contractions(uint64_t starts, const Batch& batch) {
  starts = (starts & ~cleared_) | set_;
  cleared_ = set_ = 0;
  for (uint64_t marks = batch.apostrophes & starts; marks != 0; marks &= marks - 1) {
    const auto bit = static_cast<size_t>(std::countr_zero(marks));
    const size_t length = contraction_length(at_ + bit);
    if (length == 0) continue;
    const auto put = [&](size_t place, uint64_t& here, uint64_t& next) {
      (place < batch.size ? here : next) |= uint64_t{1}
                                            << (place < batch.size ? place : place - batch.size);
    };
    uint64_t cleared = 0, set = 0;
    put(bit + 1, cleared, cleared_);
    put(bit + length, set, set_);
    starts = (starts & ~cleared) | set;
  }
  return starts;
}

uint64_t Gpt2Splitter::next_starts() {
  const Batch batch = read_batch();
  const uint64_t letters = batch.letters & ~(batch.letters << 1 | letter_);
  const uint64_t numbers = batch.numbers & ~(batch.numbers << 1 | number_);
  const uint64_t others = batch.others & ~(batch.others << 1 | other_);
  const uint64_t after_space = batch.spaces << 1 | space_;
  uint64_t starts = rule_ == Gpt2Rule::kDigitsApart
                        ? ((letters | others) & ~after_space) | (batch.numbers & batch.first)
                        : (letters | numbers | others) & ~after_space;
  if (batch.white != 0) starts |= white_starts(batch);
  if ((batch.apostrophes | cleared_ | set_) != 0) starts = with_contractions(starts, batch);
  const size_t last = batch.size - 1;
  letter_ = batch.letters >> last & 1;
  number_ = batch.numbers >> last & 1;
  white_ = batch.white >> last & 1;
  other_ = batch.others >> last & 1;
  space_ = batch.spaces >> last & 1;
  at_ += batch.size;
  return starts & ~uint64_t{0} >> (kBatchBytes - batch.size);
}

}  // namespace lathe
