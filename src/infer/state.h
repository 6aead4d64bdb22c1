// The scratch of one forward pass, and the tools it works with.
#pragma once

#include <vector>

#include "infer/model.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "kernels/onednn.h"
#include "kernels/thread_pool.h"

namespace lathe::infer {

// cos and sin of the rotation angles of every row of a pass, (n, d_head/2) each.
struct RopeTable {
  RopeSpec rope;
  std::vector<float> cos, sin;
};

// Belongs to one thread at a time; serves any model and any number of sequences, and keeps its
// memory from one pass to the next. Borrows the pool.
class State {
 public:
  explicit State(ThreadPool& threads);

  ThreadPool& pool;
  const Kernels& k;
  Matmul matmul;

  // Rows of the pass, each buffer (n, …) as its user needs it.
  Buffer x, normed, inner, qkv, attended, hidden, added, branch, window, logits;
  std::vector<i64> positions;        // of each row in its sequence
  std::vector<RopeTable> rotations;  // those in use in this pass

  // One a worker.
  struct Worker {
    Gemm gemm;
    Buffer scores, keys, values;
  };
  std::vector<Worker> workers;

  // The table over `positions`, made at its first use in a pass.
  const RopeTable& rotation(const RopeSpec& rope);

  // Calls f(row) for n rows, cut over the threads where there is enough to do.
  template <class F>
  void for_rows(i64 n, const F& f) {
    constexpr i64 kGroup = 8;
    if (n <= kGroup) {
      for (i64 t = 0; t < n; ++t) f(t);
      return;
    }
    pool.parallel_for((n + kGroup - 1) / kGroup, [&](i64 group, int) {
      const i64 end = n < (group + 1) * kGroup ? n : (group + 1) * kGroup;
      for (i64 t = group * kGroup; t < end; ++t) f(t);
    });
  }
};

}  // namespace lathe::infer
