// The order of training data: which tokens are sample number g, for g = 0, 1, 2, … without end. A
// pure function of (seed, g): it does not depend on the micro-batch, the number of processes or
// threads, or on what was read before, so that g is all a checkpoint has to hold.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/integer.h"
#include "data/shards.h"

namespace lathe {

// A keyed bijection on [0, n) for every epoch: each sample comes once an epoch, in an order that
// the seed determines. Nothing is stored; at() costs about a microsecond.
// (Balanced Feistel network with Philox as its round function, walking the cycle while outside n.)
class SampleOrder {
 public:
  // n >= 1. `stream` gives sources of one run orders of their own.
  SampleOrder(uint64_t n, uint64_t seed, uint32_t stream = 0);
  // The sample at place `index` < size() of the epoch.
  uint64_t at(uint64_t epoch, uint64_t index) const;
  uint64_t size() const { return n_; }

 private:
  uint64_t n_, seed_;
  uint32_t stream_;
  int half_bits_;  // the network permutes [0, 2^(2·half_bits_))
};

// Interleaves sources by their weights: of any kPeriod consecutive samples from a multiple of
// kPeriod on, source s has exactly count(s), in a pattern that the seed determines.
class Mixture {
 public:
  static constexpr i64 kPeriod = 1024;

  // Weights are relative; their shares are rounded to 1/1024 (largest remainder). Throws Error,
  // naming the source, when one is not positive and finite, or its share rounds to nothing.
  Mixture(std::span<const double> weights, uint64_t seed);

  struct Turn {
    size_t source;
    uint64_t index;  // how many samples of this source come before
  };
  Turn at(uint64_t g) const;
  i64 count(size_t source) const { return counts_[source]; }
  // The counts that weights, all positive and finite, are rounded to; 0 where a share rounds to
  // nothing.
  static std::vector<i64> rounded(std::span<const double> weights);

 private:
  struct Slot {
    uint16_t source, before;  // before: slots of the same source earlier in the pattern
  };
  std::vector<i64> counts_;
  std::vector<Slot> pattern_;  // kPeriod
};

// Samples of context_length + 1 tokens: inputs are all but the last, targets all but the first.
// Const after construction; any number of threads.
class BatchSource {
 public:
  struct Source {
    std::shared_ptr<const TokenStream> tokens;
    std::optional<double> weight;  // relative; nothing: by its tokens, as are all others then
    std::string name;              // for messages
  };

  // Throws Error when there is no source, one has fewer than context_length + 1 tokens, or the
  // weights do not fit (see Mixture).
  BatchSource(std::vector<Source> sources, i64 context_length, i64 vocab_size, uint64_t seed);

  struct Place {
    size_t source;
    uint64_t epoch;   // of this source
    uint64_t sample;  // tokens [sample · T, sample · T + T] of the stream
  };
  Place place(uint64_t g) const;

  // Sample g as (T + 1) ids. Throws Error when an id is not below vocab_size.
  void read(uint64_t g, std::span<i64> tokens) const;
  // Samples first … first + count - 1, row-major (count, T + 1).
  void read_batch(uint64_t first, i64 count, std::span<i64> tokens) const;

  // Whether there are tokens that are not to be learnt.
  bool has_mask() const;
  // Of each target of those samples, row-major (count, T), whether it is to be learnt, 1 or 0.
  void read_counted(uint64_t first, i64 count, std::span<uint8_t> counted) const;

  i64 context_length() const { return context_length_; }
  // Samples in an epoch of a source. Neighbours share one token, and what is left at the end of the
  // stream, less than a sample, is not used.
  uint64_t n_samples(size_t source) const { return orders_[source].size(); }
  // The share of samples that a source gets, as rounded.
  double share(size_t source) const;

 private:
  [[noreturn]] void outside_vocab(const Source& source, i64 offset, i64 id) const;

  std::vector<Source> sources_;
  i64 context_length_, vocab_size_;
  std::vector<SampleOrder> orders_;
  Mixture mixture_;
};

}  // namespace lathe
