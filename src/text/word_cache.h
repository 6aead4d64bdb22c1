// Remembers the tokens of words that came by lately. Bounded: a new word replaces the old one in
// its place. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace lathe {

class WordCache {
 public:
  static constexpr size_t kMaxBytes = 30;
  static constexpr size_t kMaxIds = 8;

  WordCache() : slots_(size_t{1} << kSlotBits) {}

  // A cache line. n_ids 0: empty.
  struct alignas(64) Slot {
    std::array<char, kMaxBytes> word;
    uint8_t n_bytes = 0;
    uint8_t n_ids = 0;
    std::array<int32_t, kMaxIds> ids;

    bool holds(std::string_view text) const {
      return n_ids > 0 && n_bytes == text.size() &&
             std::memcmp(word.data(), text.data(), text.size()) == 0;
    }
    // Only for words and ids within the limits above.
    void store(std::string_view text, std::span<const int32_t> tokens) {
      n_bytes = static_cast<uint8_t>(text.size());
      n_ids = static_cast<uint8_t>(tokens.size());
      std::memcpy(word.data(), text.data(), text.size());
      std::memcpy(ids.data(), tokens.data(), tokens.size_bytes());
    }
  };

  // The place of `word`, at most kMaxBytes long; valid until this is destroyed.
  Slot& slot_of(std::string_view word) { return slots_[hash(word) >> (64 - kSlotBits)]; }

 private:
  static constexpr int kSlotBits = 15;

  static uint64_t hash(std::string_view word) {
    constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
    uint64_t h = word.size();
    while (!word.empty()) {
      uint64_t part = 0;
      const size_t n = word.size() < sizeof part ? word.size() : sizeof part;
      std::memcpy(&part, word.data(), n);
      word.remove_prefix(n);
      h = (h ^ part) * kMultiplier;
      h ^= h >> 32;
    }
    return h * kMultiplier;
  }

  std::vector<Slot> slots_;  // 2 MiB: as large as a core's own cache
};

}  // namespace lathe
