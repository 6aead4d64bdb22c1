#include "text/unicode_changes.h"

#include <algorithm>
#include <bitset>
#include <cstring>

#include "base/utf8.h"

namespace lathe {
namespace {

constexpr UnicodeChange kChanges[] = {
#include "text/unicode_16_changes.inc"
};

// Which blocks of 256 code points have a change.
const std::bitset<0x1100>& changed_blocks() {
  static const std::bitset<0x1100> blocks = [] {
    std::bitset<0x1100> set;
    for (const UnicodeChange& change : kChanges) {
      for (uint32_t block = change.first >> 8; block <= change.last >> 8; ++block) set.set(block);
    }
    return set;
  }();
  return blocks;
}

bool is_changed(uint32_t code_point) {
  const auto at = std::lower_bound(
      std::begin(kChanges), std::end(kChanges), code_point,
      [](const UnicodeChange& change, uint32_t value) { return change.last < value; });
  return at != std::end(kChanges) && at->first <= code_point;
}

}  // namespace

std::span<const UnicodeChange> unicode_changes() { return kChanges; }

bool has_unicode_change(std::string_view text) {
  const auto& blocks = changed_blocks();
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word;
    if (text.size() - i >= sizeof word) {
      std::memcpy(&word, text.data() + i, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const auto lead = static_cast<uint8_t>(text[i]);
    if (lead < 0xE0) {  // below U+0800, where nothing has changed
      i += lead < 0x80 ? 1 : 2;
      continue;
    }
    const CodePoint c = read_code_point(text.substr(i));
    if (c.length == 0) return false;
    if (blocks[c.value >> 8] && is_changed(c.value)) return true;
    i += c.length;
  }
  return false;
}

}  // namespace lathe
