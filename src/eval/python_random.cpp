#include "eval/python_random.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"

namespace lathe {

// MT19937 (Matsumoto and Nishimura, 1998), started by an array of one number.
PythonRandom::PythonRandom(uint32_t seed) {
  constexpr size_t kSize = 624;
  state_[0] = 19650218;
  const auto mixed = [&](size_t i) { return state_[i - 1] ^ (state_[i - 1] >> 30); };
  for (uint32_t i = 1; i < kSize; ++i) state_[i] = 1812433253U * mixed(i) + i;
  size_t i = 1;
  const auto wrap = [&] {
    if (++i < kSize) return;
    state_[0] = state_[kSize - 1];
    i = 1;
  };
  for (size_t n = 0; n < kSize; ++n, wrap()) {
    state_[i] = (state_[i] ^ (mixed(i) * 1664525U)) + seed;
  }
  for (size_t n = 0; n < kSize - 1; ++n, wrap()) {
    state_[i] = (state_[i] ^ (mixed(i) * 1566083941U)) - static_cast<uint32_t>(i);
  }
  state_[0] = 0x80000000U;
}

uint32_t PythonRandom::next() {
  const size_t n = state_.size();
  if (at_ == n) {
    for (size_t i = 0; i < n; ++i) {
      const uint32_t y = (state_[i] & 0x80000000U) | (state_[(i + 1) % n] & 0x7FFFFFFFU);
      state_[i] = state_[(i + 397) % n] ^ (y >> 1) ^ (y & 1 ? 0x9908B0DFU : 0U);
    }
    at_ = 0;
  }
  uint32_t y = state_[at_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680U;
  y ^= (y << 15) & 0xEFC60000U;
  return y ^ (y >> 18);
}

i64 PythonRandom::below(i64 n) {
  const int bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(n)));
  for (;;) {
    const i64 r = next() >> (32 - bits);
    if (r < n) return r;
  }
}

std::vector<i64> PythonRandom::sample(i64 n, i64 k) {
  LATHE_CHECK(k >= 0 && k <= n && n < i64{1} << 32);
  std::vector<i64> chosen;
  // Whether a list of all is smaller than a set of those chosen, as CPython reckons: 21, and for
  // more than 5 the power of four that is not below 3 k.
  i64 set_size = 21;
  if (k > 5) {
    i64 power = 1;
    while (power < 3 * k) power *= 4;
    set_size += power;
  }
  if (n <= set_size) {
    std::vector<i64> pool(static_cast<size_t>(n));
    std::iota(pool.begin(), pool.end(), 0);
    for (i64 i = 0; i < k; ++i) {
      const auto at = static_cast<size_t>(below(n - i));
      chosen.push_back(pool[at]);
      pool[at] = pool[static_cast<size_t>(n - i - 1)];
    }
    return chosen;
  }
  while (static_cast<i64>(chosen.size()) < k) {
    const i64 at = below(n);
    if (std::find(chosen.begin(), chosen.end(), at) == chosen.end()) chosen.push_back(at);
  }
  return chosen;
}

}  // namespace lathe
