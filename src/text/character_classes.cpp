#include "text/character_classes.h"

namespace lathe {
namespace {

using enum CharacterClass;

struct ClassRange {
  uint32_t first, last;
  CharacterClass value;
};

constexpr ClassRange kRanges[] = {
#include "text/unicode_16_classes.inc"
};

}  // namespace

CharacterClasses::CharacterClasses() : bits_(0x110000 / 4) {
  for (const ClassRange& range : kRanges) {
    for (uint32_t c = range.first; c <= range.last; ++c) {
      bits_[c >> 2] |= static_cast<uint8_t>(static_cast<uint8_t>(range.value) << (c % 4 * 2));
    }
  }
}

const CharacterClasses& CharacterClasses::table() {
  static const CharacterClasses classes;
  return classes;
}

}  // namespace lathe
