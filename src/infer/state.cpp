#include "infer/state.h"

#include "kernels/dispatch.h"
#include "model/rotary.h"

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
  fill_rotary(positions, half, base, table.cos.data(), table.sin.data());
  rotations.push_back(std::move(table));
  return rotations.back();
}

}  // namespace lathe::infer
