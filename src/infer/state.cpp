#include "infer/state.h"

#include <cmath>

#include "kernels/dispatch.h"

namespace lathe::infer {

State::State(ThreadPool& threads)
    : pool(threads),
      k(kernels()),
      matmul(k, threads),
      workers(static_cast<size_t>(threads.size())) {}

const RopeTable& State::rotation(i64 half, double base) {
  for (const RopeTable& table : rotations) {
    if (table.half == half && table.base == base) return table;
  }
  RopeTable table{half, base, {}, {}};
  table.cos.resize(positions.size() * static_cast<size_t>(half));
  table.sin.resize(table.cos.size());
  // Angles in double: at position 10⁵ a float's angle is off by a hundredth.
  std::vector<double> frequency(static_cast<size_t>(half));
  for (i64 i = 0; i < half; ++i) {
    frequency[static_cast<size_t>(i)] =
        std::pow(base, -static_cast<double>(i) / static_cast<double>(half));
  }
  size_t at = 0;
  for (const i64 position : positions) {
    for (const double f : frequency) {
      const double angle = static_cast<double>(position) * f;
      table.cos[at] = static_cast<float>(std::cos(angle));
      table.sin[at] = static_cast<float>(std::sin(angle));
      ++at;
    }
  }
  rotations.push_back(std::move(table));
  return rotations.back();
}

}  // namespace lathe::infer
