#include "text/short_word_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace lathe {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void ShortWordCache::Free::operator()(Entry* entries) const { std::free(entries); }

ShortWordCache::ShortWordCache(size_t n_words)
    : bits_(std::clamp(static_cast<int>(std::bit_width(2 * n_words)), kMinBits, kMaxBits)) {
  allocate();
}

ShortWordCache::ShortWordCache(const ShortWordCache& other)
    : bits_(other.bits_), n_words_(other.n_words_), more_(other.more_) {
  allocate();
  std::copy_n(other.entries_.get(), n_entries(), entries_.get());
}

// On huge pages where the system has them: words lie all over the table.
void ShortWordCache::allocate() {
  const size_t bytes = n_entries() * sizeof(Entry);
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);
  entries_.reset(new (memory) Entry[n_entries()]);
}

void ShortWordCache::grow() {
  const std::unique_ptr<Entry[], Free> old = std::move(entries_);
  const size_t n_old = n_entries();
  ++bits_;
  n_words_ = 0;
  allocate();
  for (size_t i = 0; i < n_old; ++i) {
    const Entry& entry = old[i];
    if (entry.n_ids() > 0) put(entry, Key{entry.low, entry.high & kKeyBits}.hash());
  }
}

void ShortWordCache::put(const Entry& entry, uint64_t hash) {
  Entry* const first = &entries_[place_of(hash)];
  for (size_t i = 0; i < kProbes; ++i) {
    if (first[i].n_ids() > 0) continue;
    first[i] = entry;
    ++n_words_;
    return;
  }
  first[n_replaced_++ % kProbes] = entry;
}

bool ShortWordCache::store(Key key, uint64_t hash, std::span<const int32_t> ids) {
  if (2 * n_words_ >= size_t{1} << bits_) {
    if (bits_ == kMaxBits) return false;
    grow();
  }
  Entry entry{key.low, key.high | uint64_t{ids.size()} << kCountShift, {}};
  if (ids.size() <= kInlineIds) {
    std::copy(ids.begin(), ids.end(), entry.ids.begin());
  } else {
    if (more_.size() + ids.size() > kMaxMore) return false;
    entry.ids[0] = static_cast<int32_t>(more_.size());
    more_.insert(more_.end(), ids.begin(), ids.end());
  }
  put(entry, hash);
  return true;
}

size_t ShortWordCache::n_bytes() const {
  return n_entries() * sizeof(Entry) + more_.capacity() * sizeof(int32_t);
}

}  // namespace lathe
