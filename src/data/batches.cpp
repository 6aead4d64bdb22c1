#include "data/batches.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"

namespace lathe {

namespace {

// Four rounds make a Feistel network of good functions look random to an onlooker of few values;
// eight leave a margin for the narrow halves of small data sets.
constexpr uint32_t kRounds = 8;

std::vector<double> weights_of(const std::vector<BatchSource::Source>& sources) {
  std::vector<double> weights;
  i64 all = 0;
  for (const auto& source : sources) {
    const i64 n_tokens = source.tokens->size();
    const double weight = source.weight.value_or(static_cast<double>(n_tokens));
    if (source.weight && !(weight > 0 && std::isfinite(weight))) {
      fail("[data] {}: weight is {}, expected a positive number", source.name, weight);
    }
    // One without tokens is refused, here or for its length.
    weights.push_back(std::max(weight, std::numeric_limits<double>::min()));
    all += n_tokens;
  }
  if (weights.empty()) fail("[data] no data set given; set data.path");
  const std::vector<i64> counts = Mixture::rounded(weights);
  for (size_t s = 0; s < counts.size(); ++s) {
    if (counts[s] > 0 || sources[s].weight) continue;  // a given weight is Mixture's to refuse
    fail(
        "[data] {}: {} of the {} tokens of all folders, less than half of 1/{}, so that by tokens "
        "it would never be read; give each folder its share with data.weights, or leave it out",
        sources[s].name, sources[s].tokens->size(), all, Mixture::kPeriod);
  }
  return weights;
}

}  // namespace

SampleOrder::SampleOrder(uint64_t n, uint64_t seed, uint32_t stream)
    : n_(n), seed_(seed), stream_(stream) {
  LATHE_CHECK(n >= 1);
  // At least 64 values, so that tiny data sets are shuffled too; at most 4 n of them, else.
  half_bits_ = std::max(3, (static_cast<int>(std::bit_width(n - 1)) + 1) / 2);
}

uint64_t SampleOrder::at(uint64_t epoch, uint64_t index) const {
  LATHE_CHECK(index < n_);
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  const auto use = static_cast<uint32_t>(RandomUse::kBatchOrder);
  // Epochs beyond 2^32 change the key, as the counter has no room for them.
  const uint64_t key = seed_ ^ (epoch >> 32) * 0x9E3779B97F4A7C15u;
  uint64_t x = index;
  do {
    uint64_t left = x >> half_bits_, right = x & mask;
    for (uint32_t round = 0; round < kRounds; ++round) {
      const Philox f = philox(
          {static_cast<uint32_t>(right), static_cast<uint32_t>(epoch), stream_ << 8 | round, use},
          key);
      const uint64_t next = left ^ (f[0] & mask);
      left = right;
      right = next;
    }
    x = left << half_bits_ | right;
  } while (x >= n_);
  return x;
}

std::vector<i64> Mixture::rounded(std::span<const double> weights) {
  // Divided by the largest first: the sum of finite weights need not be finite.
  const double largest = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (const double w : weights) sum += w / largest;
  std::vector<i64> counts;
  std::vector<double> rest;
  i64 given = 0;
  for (const double w : weights) {
    const double exact = w / largest / sum * static_cast<double>(kPeriod);
    counts.push_back(static_cast<i64>(exact));
    given += counts.back();
    rest.push_back(exact - std::floor(exact));
  }
  std::vector<size_t> by_rest(weights.size());
  std::iota(by_rest.begin(), by_rest.end(), size_t{0});
  std::stable_sort(by_rest.begin(), by_rest.end(),
                   [&](size_t a, size_t b) { return rest[a] > rest[b]; });
  for (size_t i = 0; given < kPeriod; ++i, ++given) ++counts[by_rest[i % by_rest.size()]];
  return counts;
}

Mixture::Mixture(std::span<const double> weights, uint64_t seed) : counts_(rounded(weights)) {
  LATHE_CHECK(!weights.empty());
  for (size_t s = 0; s < counts_.size(); ++s) {
    if (counts_[s] == 0) {
      fail(
          "[data] source {} of {}: weight {:g} is less than half of 1/{} of all, and would never "
          "be read; raise it or leave the source out",
          s + 1, counts_.size(), weights[s], kPeriod);
    }
  }

  for (size_t s = 0; s < counts_.size(); ++s) {
    for (i64 i = 0; i < counts_[s]; ++i) pattern_.push_back({static_cast<uint16_t>(s), 0});
  }
  const Random random(seed, RandomUse::kMixture);
  for (size_t i = pattern_.size() - 1; i > 0; --i) {
    std::swap(pattern_[i], pattern_[random.bits(i) % (i + 1)]);
  }
  std::vector<uint16_t> seen(counts_.size());
  for (Slot& slot : pattern_) slot.before = seen[slot.source]++;
}

Mixture::Turn Mixture::at(uint64_t g) const {
  const Slot& slot = pattern_[g % kPeriod];
  return {slot.source, g / kPeriod * static_cast<uint64_t>(counts_[slot.source]) + slot.before};
}

BatchSource::BatchSource(std::vector<Source> sources, i64 context_length, i64 vocab_size,
                         uint64_t seed)
    : sources_(std::move(sources)),
      context_length_(context_length),
      vocab_size_(vocab_size),
      mixture_(weights_of(sources_), seed) {
  LATHE_CHECK(context_length >= 1);
  for (size_t s = 0; s < sources_.size(); ++s) {
    const i64 n_tokens = sources_[s].tokens->size();
    if (n_tokens < context_length + 1) {
      fail(
          "[data] {}: {} tokens, expected at least {} (context_length + 1); prepare more text or "
          "set a shorter context_length",
          sources_[s].name, n_tokens, context_length + 1);
    }
    orders_.emplace_back(static_cast<uint64_t>((n_tokens - 1) / context_length), seed,
                         static_cast<uint32_t>(s));
  }
}

BatchSource::Place BatchSource::place(uint64_t g) const {
  const Mixture::Turn turn = mixture_.at(g);
  const SampleOrder& order = orders_[turn.source];
  const uint64_t epoch = turn.index / order.size();
  return {turn.source, epoch, order.at(epoch, turn.index % order.size())};
}

void BatchSource::read(uint64_t g, std::span<i64> tokens) const {
  LATHE_CHECK(static_cast<i64>(tokens.size()) == context_length_ + 1);
  const Place at = place(g);
  const Source& source = sources_[at.source];
  const i64 offset = static_cast<i64>(at.sample) * context_length_;
  source.tokens->copy(offset, tokens);
  // Unsigned, so that one comparison catches both sides; shards hold no negative ids.
  const auto bad = std::find_if(tokens.begin(), tokens.end(), [&](i64 id) {
    return static_cast<uint64_t>(id) >= static_cast<uint64_t>(vocab_size_);
  });
  if (bad != tokens.end()) outside_vocab(source, offset + (bad - tokens.begin()), *bad);
}

void BatchSource::read_batch(uint64_t first, i64 count, std::span<i64> tokens) const {
  const i64 row = context_length_ + 1;
  LATHE_CHECK(static_cast<i64>(tokens.size()) == count * row);
  for (i64 i = 0; i < count; ++i) {
    read(first + static_cast<uint64_t>(i),
         tokens.subspan(static_cast<size_t>(i * row), static_cast<size_t>(row)));
  }
}

bool BatchSource::has_mask() const {
  return std::any_of(sources_.begin(), sources_.end(),
                     [](const Source& source) { return source.tokens->has_mask(); });
}

void BatchSource::read_counted(uint64_t first, i64 count, std::span<uint8_t> counted) const {
  LATHE_CHECK(static_cast<i64>(counted.size()) == count * context_length_);
  const auto row = static_cast<size_t>(context_length_);
  for (i64 i = 0; i < count; ++i) {
    const Place at = place(first + static_cast<uint64_t>(i));
    // Target t is token t + 1 of the sample.
    sources_[at.source].tokens->copy_counted(static_cast<i64>(at.sample) * context_length_ + 1,
                                             counted.subspan(static_cast<size_t>(i) * row, row));
  }
}

double BatchSource::share(size_t source) const {
  return static_cast<double>(mixture_.count(source)) / static_cast<double>(Mixture::kPeriod);
}

void BatchSource::outside_vocab(const Source& source, i64 offset, i64 id) const {
  i64 in_shard = offset, shard = 0;
  while (in_shard >= source.tokens->shard(shard).size()) {
    in_shard -= source.tokens->shard(shard++).size();
  }
  fail(
      "[data] {}: token {} at offset {} is outside the vocabulary of {}; the shards were made with "
      "another tokenizer, or vocab_size is too small",
      source.tokens->shard(shard).path(), id, in_shard, vocab_size_);
}

}  // namespace lathe
