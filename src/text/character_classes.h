// The classes of characters by which GPT-2's pattern and its descendants cut text: \p{L}, \p{N} and
// \s, by Unicode 16.
#pragma once

#include <cstdint>
#include <vector>

namespace lathe {

enum class CharacterClass : uint8_t { kOther, kLetter, kNumber, kWhite };

// Two bits a code point, four code points a byte.
class CharacterClasses {
 public:
  // The one table; made at the first call.
  static const CharacterClasses& table();

  // `code_point` is at most U+10FFFF.
  CharacterClass of(uint32_t code_point) const {
    return static_cast<CharacterClass>(bits_[code_point >> 2] >> (code_point % 4 * 2) & 3);
  }

 private:
  CharacterClasses();
  std::vector<uint8_t> bits_;
};

}  // namespace lathe
