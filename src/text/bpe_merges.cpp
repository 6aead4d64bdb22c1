#include "text/bpe_merges.h"

#include <algorithm>
#include <array>
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

// Candidate merges of a long piece: rank and place in one number, so that the least comes first,
// the leftmost of the lowest rank.
uint64_t candidate(int32_t rank, int32_t place) {
  return uint64_t{static_cast<uint32_t>(rank)} << 32 | static_cast<uint32_t>(place);
}

// Any order of numbers.
class BinaryHeap {
 public:
  explicit BinaryHeap(MergeScratch& scratch) : heap_(scratch.queue[0]) { heap_.clear(); }
  void push(uint64_t value) {
    heap_.push_back(value);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }
  bool pop(uint64_t& value) {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    value = heap_.back();
    heap_.pop_back();
    return true;
  }

 private:
  std::vector<uint64_t>& heap_;
};

// For numbers none of which is below the last one that came out; bucket b holds those whose highest
// bit that differs from that one's is b - 1. Walks through memory in order, which a heap of a
// million does not.
class RadixHeap {
 public:
  explicit RadixHeap(MergeScratch& scratch) : buckets_(scratch.queue), nodes_(scratch.nodes) {
    for (auto& bucket : buckets_) bucket.clear();
  }
  void push(uint64_t value) { buckets_[bucket_of(value)].push_back(value); }
  bool pop(uint64_t& value) {
    if (buckets_[0].empty() && !refill()) return false;
    value = buckets_[0].back();
    buckets_[0].pop_back();
    return true;
  }

 private:
  size_t bucket_of(uint64_t value) const {
    return static_cast<size_t>(std::bit_width(value ^ last_));
  }
  bool refill() {
    const auto found = std::find_if(buckets_.begin() + 1, buckets_.end(),
                                    [](const auto& bucket) { return !bucket.empty(); });
    if (found == buckets_.end()) return false;
    last_ = *std::min_element(found->begin(), found->end());
    if (found->size() <= kFew) {  // soon to come out, from places far apart
      for (const uint64_t value : *found) __builtin_prefetch(&nodes_[value & 0xFFFFFFFFu]);
    }
    for (const uint64_t value : *found) push(value);
    found->clear();
    return true;
  }

  static constexpr size_t kFew = 64;
  std::array<std::vector<uint64_t>, 65>& buckets_;
  const std::vector<MergeScratch::Node>& nodes_;
  uint64_t last_ = 0;
};

// A linked list of symbols and a queue of candidates. A candidate is stale when the pair at its
// place has another rank by now.
template <class Queue>
class LongMerge {
 public:
  LongMerge(const MergeTable& table, MergeScratch& scratch)
      : table_(table), nodes_(scratch.nodes), queue_(scratch) {}

  void run(std::vector<int32_t>& symbols) {
    const int32_t n = static_cast<int32_t>(symbols.size());
    nodes_.resize(symbols.size());
    for (int32_t i = 0; i < n; ++i) {
      nodes_[i] = {symbols[i], i - 1, i + 1 < n ? i + 1 : -1, kNever};
    }
    for (int32_t i = 0; i + 1 < n; ++i) look_up(i);
    for (uint64_t top; queue_.pop(top);) {
      apply(static_cast<int32_t>(top >> 32), static_cast<int32_t>(top & 0xFFFFFFFFu));
    }
    symbols.clear();
    for (int32_t i = 0; i >= 0; i = nodes_[i].next) symbols.push_back(nodes_[i].id);
  }

 private:
  // The pair that begins at `place`.
  void look_up(int32_t place) {
    auto& node = nodes_[place];
    node.rank = node.next < 0 ? kNever : table_.rank(node.id, nodes_[node.next].id);
    if (node.rank != kNever) queue_.push(candidate(node.rank, place));
  }

  void apply(int32_t rank, int32_t place) {
    auto& left = nodes_[place];
    if (left.rank != rank) return;
    auto& right = nodes_[left.next];
    left.id = table_.merged(rank);
    left.next = right.next;
    right.rank = kNever;  // swallowed
    if (left.next >= 0) nodes_[left.next].previous = place;
    look_up(place);
    if (left.previous >= 0) look_up(left.previous);
  }

  const MergeTable& table_;
  std::vector<MergeScratch::Node>& nodes_;
  Queue queue_;
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
  note_order(left, right, merge);
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

void MergeTable::note_order(int32_t left, int32_t right, Merge merge) {
  const auto largest = static_cast<size_t>(std::max({left, right, merge.id}));
  if (largest >= uses_.size()) uses_.resize(largest + 1);
  for (const int32_t part : {left, right}) {
    Use& use = uses_[static_cast<size_t>(part)];
    use.first_in = std::min(use.first_in, merge.rank);
    is_monotone_ = is_monotone_ && use.last_made < merge.rank;
  }
  Use& made = uses_[static_cast<size_t>(merge.id)];
  made.last_made = std::max(made.last_made, merge.rank);
  is_monotone_ = is_monotone_ && made.first_in > merge.rank;
}

void merge_symbols(const MergeTable& table, std::vector<int32_t>& symbols, MergeScratch& scratch) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kLongPiece) {
    merge_short(table, symbols, scratch.ranks);
    return;
  }
  LATHE_CHECK(symbols.size() < static_cast<size_t>(kNever));
  if (table.is_monotone()) {
    LongMerge<RadixHeap>(table, scratch).run(symbols);
  } else {
    LongMerge<BinaryHeap>(table, scratch).run(symbols);
  }
}

}  // namespace lathe
