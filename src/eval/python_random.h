// CPython's random.Random, as far as drawing without replacement goes: the harness chooses examples
// with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/integer.h"

namespace lathe {

class PythonRandom {
 public:
  // random.Random(seed) of a seed below 2^32.
  explicit PythonRandom(uint32_t seed);

  // random.sample(range(n), k), 0 ≤ k ≤ n < 2^32.
  std::vector<i64> sample(i64 n, i64 k);

 private:
  uint32_t next();
  i64 below(i64 n);

  std::array<uint32_t, 624> state_;
  size_t at_ = 624;
};

}  // namespace lathe
