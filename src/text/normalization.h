// Unicode's normal forms, as tokenizers apply them before they cut text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

enum class Normalization { kNone, kNfc, kNfkc };

// Const after construction. Follows the normalizers of the Hugging Face tokenizers library, which
// leave alone some characters that newer Unicode normalizes.
class TextNormalizer {
 public:
  explicit TextNormalizer(Normalization form);

  // The normal form of `text`: `text` itself where nothing changes, else in `buffer`. Bytes that
  // are not UTF-8 stay as they are, and nothing joins across them.
  std::string_view apply(std::string_view text, std::string& buffer) const;

 private:
  // The next place from `at` on where an active character stands; the size: none.
  size_t next_active(std::string_view text, size_t at) const;
  bool is_active(uint32_t code_point) const {
    return (active_[code_point >> 3] >> (code_point & 7) & 1) != 0;
  }
  void append_normalized(std::string_view span, std::string& out) const;

  Normalization form_;
  uint32_t first_active_ = 0;  // no code point below is active
  // A bit a code point: it changes by itself, or may join or change places with one before it. No
  // character joins across a place whose right neighbour is not active.
  std::vector<uint8_t> active_;
};

}  // namespace lathe
