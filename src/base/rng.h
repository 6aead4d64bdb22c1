// Counter-based random numbers: a value is a pure function of its key and counter, so that every
// engine, process and resumed run draws the same. Philox 4x32-10 (Salmon et al., SC 2011).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace lathe {

using Philox = std::array<uint32_t, 4>;

inline Philox philox(Philox counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

// What a stream of numbers is for: streams never overlap.
enum class RandomUse : uint32_t {
  kInit = 1,
  kBatchOrder,
  kSampling,
  kGuideDraw,
  kMixture,
  kResample
};

// Numbers 0, 1, 2, … of the stream (seed, use, stream), each at any time.
class Random {
 public:
  Random(uint64_t seed, RandomUse use, uint32_t stream = 0)
      : seed_(seed), use_(static_cast<uint32_t>(use)), stream_(stream) {}

  uint64_t bits(uint64_t index) const {
    const Philox p = philox(counter(index), seed_);
    return uint64_t{p[1]} << 32 | p[0];
  }
  // In [0, 1), 53 bits.
  double uniform(uint64_t index) const { return static_cast<double>(bits(index) >> 11) * 0x1p-53; }
  // Standard normal by Box-Muller, one a counter.
  double normal(uint64_t index) const {
    const Philox p = philox(counter(index), seed_);
    const double u = (static_cast<double>(p[0]) + 1.0) * 0x1p-32;  // (0, 1]
    const double v = static_cast<double>(p[1]) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
  }

 private:
  Philox counter(uint64_t index) const {
    return {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), stream_, use_};
  }
  uint64_t seed_;
  uint32_t use_, stream_;
};

}  // namespace lathe
