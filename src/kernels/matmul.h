// y = x Wᵀ + b for weights in panels, and its block-diagonal form: one entry for a single vector, a
// few and many.
#pragma once

#include <memory>

#include "base/dtype.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"

namespace lathe {

// Borrowed weights: n_blocks matrices (rows, cols), one behind the other, each in panels
// (kernels.h).
struct PanelView {
  DType dtype = DType::kF32;  // one that is_runnable()
  const void* data = nullptr;
  i64 n_blocks = 1, rows = 0, cols = 0;
};

// Bytes that such weights take.
i64 panel_bytes(const Kernels& kernels, const PanelView& shape);
// Fills `to`, of panel_bytes(), from n_blocks matrices (rows, cols), row-major in the same type.
void pack_panels(const Kernels& kernels, ThreadPool& pool, const PanelView& shape, const void* from,
                 void* to);
// Row `row` of the first block as f32.
void read_panel_row(const Kernels& kernels, const PanelView& w, i64 row, float* y);

// Where element i of block b of vector t lies: t·row + b·block + i·step.
struct Layout {
  i64 row = 0, block = 0, step = 1;
};

// Products on one thread pool, with the scratch that they need. One caller at a time. Borrows the
// pool and the kernels.
class Matmul {
 public:
  Matmul(const Kernels& kernels, ThreadPool& pool);
  ~Matmul();

  // For t < n, every block b and row r:
  //   y[t, b, r] = bias[b·y.block + r·y.step] + Σ_c w[b, r, c] · x[t, b, c]
  // with x and y laid out as given; bias may be null; y must not overlap x. The
  // result of one vector is the same, bit for bit, whatever n and the number of threads are, but
  // for one thing: with more than kFewVectors, bf16 weights meet activations rounded to bf16 where
  // the CPU multiplies bf16 by itself and that is faster. Sums are in f32.
  void operator()(i64 n, const float* x, const Layout& x_layout, const PanelView& w,
                  const float* bias, float* y, const Layout& y_layout);

  // (n, in) → (n, out), both dense rows, for weights of one block.
  void operator()(i64 n, const float* x, const PanelView& w, const float* bias, float* y) {
    (*this)(n, x, {w.cols, 0, 1}, w, bias, y, {w.rows, 0, 1});
  }

  static constexpr i64 kFewVectors = 8;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lathe
