// The merge step of byte-pair encoding: symbols of one piece in, tokens out. Knows ids and ranks
// only, neither text nor files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace lathe {

// Which pairs of neighbours merge, in which order, into what. Const after the last add().
class MergeTable {
 public:
  struct Merge {
    int32_t rank = -1;  // the lower, the earlier; -1: the pair does not merge
    int32_t id = -1;    // of the merged token
  };
  static constexpr int32_t kNever = std::numeric_limits<int32_t>::max();

  // Room for `n_merges` pairs.
  explicit MergeTable(size_t n_merges);
  // Ids must be >= 0, and no two pairs may share a rank, which is at most a few times the number of
  // pairs: ranks index an array. A pair that is there already keeps its first rank.
  void add(int32_t left, int32_t right, Merge merge);

  // The rank of a pair; kNever: it does not merge.
  int32_t rank(int32_t left, int32_t right) const {
    if ((static_cast<uint32_t>(left) | static_cast<uint32_t>(right)) < kFlatIds) {
      return flat_[static_cast<uint32_t>(left) * kFlatIds + static_cast<uint32_t>(right)];
    }
    const uint64_t key = make_key(left, right);
    for (size_t i = slot_of(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].rank;
      if (slots_[i].key == kEmpty) return kNever;
    }
  }
  // What the pair of that rank becomes.
  int32_t merged(int32_t rank) const { return merged_[static_cast<size_t>(rank)]; }

  // Whether no pair has a rank below or equal to that of a merge which makes one of its parts, as
  // where merges were learnt one after the other: then the ranks of a piece's merges only rise.
  bool is_monotone() const { return is_monotone_; }

  Merge find(int32_t left, int32_t right) const {
    const int32_t found = rank(left, right);
    return found == kNever ? Merge{} : Merge{found, merged(found)};
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  // Pairs of the first ids, bytes and the most frequent merges among them, are looked up in a
  // square of 1 MiB.
  static constexpr uint32_t kFlatIds = 512;
  struct Slot {
    uint64_t key = kEmpty;
    int32_t rank = kNever;
  };
  // Of a token.
  struct Use {
    int32_t first_in = kNever;  // the lowest rank of the pairs it is part of
    int32_t last_made = -1;     // the highest rank of the merges that make it
  };
  static uint64_t make_key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  void note_order(int32_t left, int32_t right, Merge merge);
  size_t slot_of(uint64_t key) const {
    return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }

  std::vector<int32_t> flat_;    // (kFlatIds, kFlatIds): ranks
  std::vector<Slot> slots_;      // a power of two, at most half full
  std::vector<int32_t> merged_;  // rank → id
  std::vector<Use> uses_;        // by id
  bool is_monotone_ = true;
  size_t mask_ = 0;
  int shift_ = 0;
};

// Scratch memory of merge_symbols, kept by the caller to save allocations.
struct MergeScratch {
  struct Node {
    int32_t id, previous, next;
    int32_t rank;  // of the pair with the next one
  };
  std::vector<int32_t> ranks;
  std::vector<Node> nodes;
  std::array<std::vector<uint64_t>, 65> queue;
};

// Replaces neighbours by their merge, always the lowest rank first and of equal ranks the leftmost,
// until no pair merges. `symbols` is shortened in place; at most 2^31 - 2 of them.
// Time: n log n for long pieces, so that a megabyte of one letter does no harm.
void merge_symbols(const MergeTable& table, std::vector<int32_t>& symbols, MergeScratch& scratch);

}  // namespace lathe
