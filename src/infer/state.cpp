#include "infer/state.h"

#include "kernels/dispatch.h"
#include "model/rotary.h"

namespace lathe::infer {

State::State(ThreadPool& threads)
    : pool(threads),
      k(kernels()),
      matmul(k, threads),
      workers(static_cast<size_t>(threads.size())) {
  limit_gemm_isa(k);
}

const RopeTable& State::rotation(const RopeSpec& rope) {
  for (const RopeTable& table : rotations) {
    if (table.rope == rope) return table;
  }
  RopeTable table{rope, {}, {}};
  table.cos.resize(positions.size() * static_cast<size_t>(rope.d_head / 2));
  table.sin.resize(table.cos.size());
  fill_rotary(positions, rope, table.cos.data(), table.sin.data());
  rotations.push_back(std::move(table));
  return rotations.back();
}

}  // namespace lathe::infer
