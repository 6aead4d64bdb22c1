#include "text/bpe_merges.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/error.h"

namespace lathe {
namespace {

constexpr int32_t kNever = MergeTable::kNever;

// Above this many symbols the heap is faster than looking through all pairs again and again.
constexpr size_t kLongPiece = 96;

// Quadratic, but without any structure to keep up: the fastest for words.
void merge_short(const MergeTable& table, std::vector<int32_t>& symbols,
                 std::vector<int32_t>& ranks) {
  size_t n = symbols.size();
  ranks.resize(n);
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = table.rank(symbols[i], symbols[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNever) break;
    symbols[best] = table.merged(ranks[best]);
    std::copy(symbols.begin() + best + 2, symbols.begin() + n, symbols.begin() + best + 1);
    std::copy(ranks.begin() + best + 1, ranks.begin() + n - 1, ranks.begin() + best);
    --n;
    if (best > 0) ranks[best - 1] = table.rank(symbols[best - 1], symbols[best]);
    if (best + 1 < n) ranks[best] = table.rank(symbols[best], symbols[best + 1]);
  }
  symbols.resize(n);
}

// A linked list of symbols and a heap of candidate merges, rank and place in one number, so that
// the lowest is the one to come: the lowest rank, then the leftmost. A candidate is stale when the
// pair at its place has another rank by now.
class LongMerge {
 public:
  LongMerge(const MergeTable& table, MergeScratch& scratch)
      : table_(table), nodes_(scratch.nodes), heap_(scratch.heap) {}

  void run(std::vector<int32_t>& symbols) {
    const int32_t n = static_cast<int32_t>(symbols.size());
    nodes_.resize(symbols.size());
    heap_.clear();
    for (int32_t i = 0; i < n; ++i) {
      nodes_[i] = {symbols[i], i - 1, i + 1 < n ? i + 1 : -1, kNever};
    }
    for (int32_t i = 0; i + 1 < n; ++i) collect(i);
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const uint64_t top = heap_.back();
      heap_.pop_back();
      apply(static_cast<int32_t>(top >> 32), static_cast<int32_t>(top & 0xFFFFFFFFu));
    }
    symbols.clear();
    for (int32_t i = 0; i >= 0; i = nodes_[i].next) symbols.push_back(nodes_[i].id);
  }

 private:
  // Looks up the pair that begins at `place`.
  bool collect(int32_t place) {
    auto& node = nodes_[place];
    node.rank = node.next < 0 ? kNever : table_.rank(node.id, nodes_[node.next].id);
    if (node.rank == kNever) return false;
    heap_.push_back(uint64_t{static_cast<uint32_t>(node.rank)} << 32 |
                    static_cast<uint32_t>(place));
    return true;
  }

  void push(int32_t place) {
    if (collect(place)) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void apply(int32_t rank, int32_t place) {
    auto& left = nodes_[place];
    if (left.rank != rank) return;
    auto& right = nodes_[left.next];
    left.id = table_.merged(rank);
    left.next = right.next;
    right.rank = kNever;  // swallowed
    if (left.next >= 0) nodes_[left.next].previous = place;
    push(place);
    if (left.previous >= 0) push(left.previous);
  }

  const MergeTable& table_;
  std::vector<MergeScratch::Node>& nodes_;
  std::vector<uint64_t>& heap_;
};

}  // namespace

MergeTable::MergeTable(size_t n_merges) : flat_(size_t{kFlatIds} * kFlatIds, kNever) {
  const size_t n_slots = std::bit_ceil(std::max<size_t>(16, 2 * n_merges));
  slots_.resize(n_slots);
  merged_.reserve(n_merges);
  mask_ = n_slots - 1;
  shift_ = 64 - std::countr_zero(n_slots);
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  LATHE_CHECK(left >= 0 && right >= 0 && merge.rank >= 0 && merge.id >= 0 && merge.rank < kNever);
  if (rank(left, right) != kNever) return;
  const auto place = static_cast<size_t>(merge.rank);
  if (place >= merged_.size()) merged_.resize(place + 1, -1);
  merged_[place] = merge.id;
  if ((static_cast<uint32_t>(left) | static_cast<uint32_t>(right)) < kFlatIds) {
    flat_[static_cast<uint32_t>(left) * kFlatIds + static_cast<uint32_t>(right)] = merge.rank;
    return;
  }
  const uint64_t key = make_key(left, right);
  size_t i = slot_of(key);
  while (slots_[i].key != kEmpty) i = (i + 1) & mask_;
  slots_[i] = {key, merge.rank};
}

void merge_symbols(const MergeTable& table, std::vector<int32_t>& symbols, MergeScratch& scratch) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kLongPiece) {
    merge_short(table, symbols, scratch.ranks);
    return;
  }
  LATHE_CHECK(symbols.size() < static_cast<size_t>(kNever));
  LongMerge(table, scratch).run(symbols);
}

}  // namespace lathe
