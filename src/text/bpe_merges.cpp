#include "text/bpe_merges.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/error.h"

namespace lathe {
namespace {

constexpr int32_t kNever = std::numeric_limits<int32_t>::max();

// Above this many symbols the heap is faster than looking through all pairs again and again.
constexpr size_t kLongPiece = 96;

int32_t rank_of(const MergeTable& table, int32_t left, int32_t right) {
  const int32_t rank = table.find(left, right).rank;
  return rank < 0 ? kNever : rank;
}

// Quadratic, but without any structure to keep up: the fastest for words.
void merge_short(const MergeTable& table, std::vector<int32_t>& symbols,
                 std::vector<int32_t>& ranks) {
  size_t n = symbols.size();
  ranks.resize(n);
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = rank_of(table, symbols[i], symbols[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNever) break;
    symbols[best] = table.find(symbols[best], symbols[best + 1]).id;
    std::copy(symbols.begin() + best + 2, symbols.begin() + n, symbols.begin() + best + 1);
    std::copy(ranks.begin() + best + 1, ranks.begin() + n - 1, ranks.begin() + best);
    --n;
    if (best > 0) ranks[best - 1] = rank_of(table, symbols[best - 1], symbols[best]);
    if (best + 1 < n) ranks[best] = rank_of(table, symbols[best], symbols[best + 1]);
  }
  symbols.resize(n);
}

using Candidate = MergeScratch::Candidate;

// Orders std::*_heap so that the front is the lowest rank, then the leftmost position.
bool later(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

// A linked list of symbols and a heap of candidate merges; stale candidates are told by their ids.
class LongMerge {
 public:
  LongMerge(const MergeTable& table, MergeScratch& scratch)
      : table_(table), nodes_(scratch.nodes), heap_(scratch.heap) {}

  void run(std::vector<int32_t>& symbols) {
    const int32_t n = static_cast<int32_t>(symbols.size());
    nodes_.resize(symbols.size());
    heap_.clear();
    for (int32_t i = 0; i < n; ++i) nodes_[i] = {symbols[i], i - 1, i + 1 < n ? i + 1 : -1};
    for (int32_t i = 0; i + 1 < n; ++i) collect(i);
    std::make_heap(heap_.begin(), heap_.end(), later);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Candidate top = heap_.back();
      heap_.pop_back();
      apply(top);
    }
    symbols.clear();
    for (int32_t i = 0; i >= 0; i = nodes_[i].next) symbols.push_back(nodes_[i].id);
  }

 private:
  bool collect(int32_t position) {
    const int32_t right = nodes_[position].next;
    const MergeTable::Merge merge = table_.find(nodes_[position].id, nodes_[right].id);
    if (merge.rank < 0) return false;
    heap_.push_back({merge.rank, position, nodes_[right].id, merge.id});
    return true;
  }

  void push(int32_t position) {
    if (collect(position)) std::push_heap(heap_.begin(), heap_.end(), later);
  }

  void apply(const Candidate& top) {
    auto& left = nodes_[top.position];
    // A swallowed node has id -1. Equal rank, position and right symbol mean the same pair.
    if (left.id < 0 || left.next < 0 || nodes_[left.next].id != top.right) return;
    if (table_.find(left.id, top.right).rank != top.rank) return;
    auto& right = nodes_[left.next];
    left.id = top.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) {
      nodes_[left.next].previous = top.position;
      push(top.position);
    }
    if (left.previous >= 0) push(left.previous);
  }

  const MergeTable& table_;
  std::vector<MergeScratch::Node>& nodes_;
  std::vector<Candidate>& heap_;
};

}  // namespace

MergeTable::MergeTable(size_t n_merges) {
  const size_t n_slots = std::bit_ceil(std::max<size_t>(16, 2 * n_merges));
  slots_.resize(n_slots);
  mask_ = n_slots - 1;
  shift_ = 64 - std::countr_zero(n_slots);
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  LATHE_CHECK(left >= 0 && right >= 0 && merge.rank >= 0 && merge.id >= 0);
  const uint64_t key = make_key(left, right);
  size_t i = slot_of(key);
  while (slots_[i].key != kEmpty) {
    if (slots_[i].key == key) return;
    i = (i + 1) & mask_;
  }
  slots_[i] = {key, merge};
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
