// Remembers the tokens of words of at most 15 bytes. A table of bounded size that never looks at
// more than a few places for a word, so that no choice of words makes it slow: what finds no place
// takes another's. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace lathe {

class ShortWordCache {
 public:
  static constexpr size_t kMaxBytes = 15;
  static constexpr size_t kInlineIds = 4;

  // The bytes of a word and, in the last one, how many there are.
  struct Key {
    uint64_t low, high;
    uint64_t hash() const {
      const uint64_t folded = low ^ (high * 0x9E3779B97F4A7C15u);
      return (folded ^ folded >> 32) * 0xD6E8FEB86659FD93u;
    }
  };

  // Half a cache line.
  struct Entry {
    uint64_t low = 0;
    uint64_t high = 0;  // the key's; its top four bits hold the number of tokens, 0: empty
    std::array<int32_t, kInlineIds> ids{};  // of more tokens: ids[0] is where they begin in more_

    bool holds(Key key) const { return low == key.low && (high & kKeyBits) == key.high; }
    size_t n_ids() const { return high >> kCountShift; }
  };

  // Room for about `n_words` before it first grows.
  explicit ShortWordCache(size_t n_words = 0);
  ShortWordCache(const ShortWordCache& other);
  ShortWordCache(ShortWordCache&&) noexcept = default;
  ShortWordCache& operator=(ShortWordCache&&) noexcept = default;

  // Of 1 to kMaxBytes bytes, of which `n_readable` may be read from `word` on.
  static Key make_key(const char* word, size_t n_bytes, size_t n_readable) {
    uint64_t halves[2] = {0, 0};
    std::memcpy(halves, word, n_readable >= sizeof halves ? sizeof halves : n_bytes);
    const Masks& masks = kMasks[n_bytes];
    return {halves[0] & masks.low, (halves[1] & masks.high) | uint64_t{n_bytes} << 56};
  }

  void prefetch(uint64_t hash) const { __builtin_prefetch(&entries_[place_of(hash)]); }

  // The entry of that key, or null. Valid until the next store().
  const Entry* find(Key key, uint64_t hash) const {
    const Entry* entry = &entries_[place_of(hash)];
    for (size_t i = 0; i < kProbes; ++i, ++entry) {
      if (entry->holds(key)) return entry;
      if (entry->n_ids() == 0) return nullptr;
    }
    return nullptr;
  }

  // 1 to kMaxBytes tokens.
  std::span<const int32_t> ids_of(const Entry& entry) const {
    const size_t n = entry.n_ids();
    if (n <= kInlineIds) return {entry.ids.data(), n};
    return std::span(more_).subspan(static_cast<size_t>(entry.ids[0]), n);
  }

  // False where there is no room left: then the cache wants to be emptied.
  bool store(Key key, uint64_t hash, std::span<const int32_t> ids);

  size_t n_bytes() const;

  // 2^kMaxBits entries are 32 MiB.
  static constexpr int kMaxBits = 20;

 private:
  static constexpr int kMinBits = 10;
  static constexpr size_t kProbes = 8;
  static constexpr size_t kMaxMore = size_t{1} << 20;
  static constexpr int kCountShift = 60;
  static constexpr uint64_t kKeyBits = ~(uint64_t{15} << kCountShift);

  struct Masks {
    uint64_t low, high;
  };
  static constexpr std::array<Masks, kMaxBytes + 1> kMasks = [] {
    std::array<Masks, kMaxBytes + 1> masks{};
    for (size_t n = 0; n <= kMaxBytes; ++n) {
      masks[n].low = n >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * n)) - 1;
      masks[n].high = n <= 8 ? 0 : (uint64_t{1} << (8 * (n - 8))) - 1;
    }
    return masks;
  }();

  struct Free {
    void operator()(Entry* entries) const;
  };

  size_t n_entries() const { return size_t{1} << bits_; }
  // Probing begins at least kProbes entries before the end, so that it needs no turn.
  size_t place_of(uint64_t hash) const { return (hash >> 32) * (n_entries() - kProbes) >> 32; }
  void allocate();
  void grow();
  void put(const Entry& entry, uint64_t hash);

  int bits_;
  size_t n_words_ = 0;
  size_t n_replaced_ = 0;
  std::unique_ptr<Entry[], Free> entries_;
  std::vector<int32_t> more_;
};

}  // namespace lathe
