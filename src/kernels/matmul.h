// y = x Wᵀ + b for stored weights of any type, and its block-diagonal form: one entry for a single
// vector, a few and many. Large products go to oneDNN, called on slices from our own threads.
#pragma once

#include <memory>

#include "base/dtype.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"

namespace lathe {

// Borrowed weights: n_blocks matrices (rows, cols), row-major, one behind the other.
struct WeightView {
  DType dtype = DType::kF32;  // one that is_runnable()
  const void* data = nullptr;
  i64 n_blocks = 1, rows = 0, cols = 0;
};

// Where element i of block b of vector t lies: t·row + b·block + i·step.
struct Layout {
  i64 row = 0, block = 0, step = 1;
};

// Products on one thread pool, with the scratch and the compiled oneDNN primitives they need.
// One caller at a time. Borrows the pool and the kernels.
class Matmul {
 public:
  Matmul(const Kernels& kernels, ThreadPool& pool);
  ~Matmul();

  // For t < n, every block b and row r:
  //   y[t, b, r] = bias[b·y.block + r·y.step] + Σ_c w[b, r, c] · x[t, b, c]
  // with x and y laid out as given; bias may be null; y must not overlap x. Up to kGemvVectors the
  // result of one vector is the same, bit for bit, whatever n is. Beyond that, bf16 weights meet
  // activations rounded to bf16 where the CPU multiplies bf16 by itself; sums are in f32.
  void operator()(i64 n, const float* x, const Layout& x_layout, const WeightView& w,
                  const float* bias, float* y, const Layout& y_layout);

  // (n, in) → (n, out), both dense rows, for weights of one block.
  void operator()(i64 n, const float* x, const WeightView& w, const float* bias, float* y) {
    (*this)(n, x, {w.cols, 0, 1}, w, bias, y, {w.rows, 0, 1});
  }

  static constexpr i64 kGemvVectors = 8;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lathe
