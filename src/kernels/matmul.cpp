#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/numeric.h"
#include "kernels/buffer.h"
#include "kernels/dispatch.h"
#include "kernels/onednn.h"

namespace lathe {

namespace {

// Below this many multiply-adds a loop is not worth waking the other threads.
constexpr i64 kMinSharedMacs = 1 << 14;
// Rows of weights widened at a time where they are not multiplied as they are: they stay in L2.
constexpr i64 kWidenRows = 64;

}  // namespace

struct Matmul::Impl {
  const Kernels& k;
  ThreadPool& pool;
  std::vector<Gemm> gemm;       // one a worker
  std::vector<Buffer> widened;  // one a worker
  Buffer packed_x, packed_y;

  Impl(const Kernels& kernels, ThreadPool& threads)
      : k(kernels), pool(threads), widened(threads.size()) {
    for (int i = 0; i < threads.size(); ++i) gemm.emplace_back();
  }

  void run_gemv(i64 n, const float* x, const Layout& xl, const WeightView& w, const float* bias,
                float* y, const Layout& yl);
  void run_gemm(i64 n, const float* x, const Layout& xl, const WeightView& w, const float* bias,
                float* y, const Layout& yl);
  const void* pack(i64 n, const float* x, const Layout& xl, const WeightView& w, DType type);
  void product(int worker, const WeightView& w, i64 first_row, GemmShape shape, const void* x,
               const float* bias, float* y);
};

namespace {

const char* at(const WeightView& w, i64 row) {
  return static_cast<const char*>(w.data) + stored_bytes(w.dtype, row * w.cols);
}

// Whether each vector's blocks already lie one behind the other.
bool is_packed(const Layout& l, i64 width, i64 n_blocks) {
  return l.step == 1 && (n_blocks == 1 || l.block == width);
}

}  // namespace

// x as dense rows of n_blocks · cols values of `type`, gathered into packed_x.
const void* Matmul::Impl::pack(i64 n, const float* x, const Layout& xl, const WeightView& w,
                               DType type) {
  const i64 width = w.n_blocks * w.cols;
  const size_t count = static_cast<size_t>(n * width);
  const bool gather = !is_packed(xl, w.cols, w.n_blocks), narrow = type != DType::kF32;
  const StoredKernels& to_type = stored_kernels(k, type);
  // The gathered rows in f32, then behind all of those the rows of `type`, no wider than f32.
  float* gathered = packed_x.grow<float>(
      count + (narrow ? static_cast<size_t>(div_up(stored_bytes(type, n * width), 4)) : 0));
  char* narrowed = reinterpret_cast<char*>(gathered + count);
  pool.parallel_for(div_up(n, 8), [&](i64 group, int) {
    for (i64 t = group * 8; t < std::min(n, group * 8 + 8); ++t) {
      const float* row = x + t * xl.row;
      if (gather) {
        float* to = gathered + t * width;
        for (i64 b = 0; b < w.n_blocks; ++b) {
          for (i64 c = 0; c < w.cols; ++c) to[b * w.cols + c] = row[b * xl.block + c * xl.step];
        }
        row = to;
      }
      if (narrow) to_type.narrow(row, narrowed + stored_bytes(type, t * width), width);
    }
  });
  if (narrow) return narrowed;
  return gathered;
}

void Matmul::Impl::run_gemv(i64 n, const float* x, const Layout& xl, const WeightView& w,
                            const float* bias, float* y, const Layout& yl) {
  Layout from = xl;
  if (xl.step != 1) {
    from = {w.n_blocks * w.cols, w.cols, 1};
    x = static_cast<const float*>(pack(n, x, xl, w, DType::kF32));
  }
  const StoredKernels& stored = stored_kernels(k, w.dtype);
  const auto rows_of = [&](i64 first, i64 last) {  // rows counted through all blocks
    while (first < last) {
      const i64 b = first / w.rows, r = first % w.rows;
      const i64 count = std::min(last - first, w.rows - r);
      const GemvShape shape{.rows = count,
                            .cols = w.cols,
                            .ldw = w.cols,
                            .n = n,
                            .ldx = from.row,
                            .ldy = yl.row,
                            .step = yl.step};
      const i64 place = b * yl.block + r * yl.step;
      const float* shift = bias ? bias + place : nullptr;
      const float* xb = x + b * from.block;
      stored.gemv(at(w, first), xb, shift, y + place, shape);
      first += count;
    }
  };
  const i64 rows = w.n_blocks * w.rows;
  if (rows * w.cols * n < kMinSharedMacs || pool.size() == 1) return rows_of(0, rows);
  // A few slices a thread, so that a thread that started late does less.
  const i64 slices = std::min<i64>(pool.size() * 4, rows);
  const i64 step = div_up(div_up(rows, slices), 4) * 4;
  pool.parallel_for(div_up(rows, step), [&](i64 slice, int) {
    rows_of(slice * step, std::min(rows, slice * step + step));
  });
}

// shape.n rows of the weights from first_row on, widened where need be.
void Matmul::Impl::product(int worker, const WeightView& w, i64 first_row, GemmShape shape,
                           const void* x, const float* bias, float* y) {
  Gemm& multiply = gemm[static_cast<size_t>(worker)];
  if (w.dtype == shape.dtype) return multiply(shape, x, at(w, first_row), bias, y);
  const i64 all = shape.n;
  float* wide =
      widened[static_cast<size_t>(worker)].grow<float>(static_cast<size_t>(kWidenRows * w.cols));
  for (i64 r = 0; r < all; r += kWidenRows) {
    shape.n = std::min(kWidenRows, all - r);
    stored_kernels(k, w.dtype).widen(at(w, first_row + r), wide, shape.n * w.cols);
    multiply(shape, x, wide, bias ? bias + r : nullptr, y + r);
  }
}

void Matmul::Impl::run_gemm(i64 n, const float* x, const Layout& xl, const WeightView& w,
                            const float* bias, float* y, const Layout& yl) {
  const DType type = gemm_type(w.dtype, k);
  const void* from = x;
  Layout in = xl;
  if (type != DType::kF32 || xl.step != 1) {
    from = pack(n, x, xl, w, type);
    in = {w.n_blocks * w.cols, w.cols, 1};
  }
  const bool scatter = yl.step != 1;
  const i64 out_width = w.n_blocks * w.rows;
  float* to = y;
  Layout out = yl;
  if (scatter) {
    to = packed_y.grow<float>(static_cast<size_t>(n * out_width));
    out = {out_width, w.rows, 1};
  }
  // Slices of rows of one block, a multiple of 64 wide, the same for every thread.
  const i64 per_block = std::max<i64>(1, div_up(pool.size(), w.n_blocks));
  const i64 step = std::max<i64>(64, div_up(div_up(w.rows, per_block), 64) * 64);
  const i64 slices = div_up(w.rows, step);
  pool.parallel_for(w.n_blocks * slices, [&](i64 task, int worker) {
    const i64 b = task / slices, r = task % slices * step;
    const bool shifted = bias && !scatter;
    const GemmShape shape{.m = n,
                          .n = std::min(step, w.rows - r),
                          .k = w.cols,
                          .lda = in.row,
                          .ldb = w.cols,
                          .ldc = out.row,
                          .dtype = type,
                          .b_transposed = true,
                          .bias = shifted};
    product(worker, w, b * w.rows + r, shape,
            static_cast<const char*>(from) + stored_bytes(type, b * in.block),
            shifted ? bias + b * yl.block + r : nullptr, to + b * out.block + r);
  });
  if (!scatter) return;
  pool.parallel_for(div_up(n, 8), [&](i64 group, int) {
    for (i64 t = group * 8; t < std::min(n, group * 8 + 8); ++t) {
      for (i64 b = 0; b < w.n_blocks; ++b) {
        const float* row = to + t * out_width + b * w.rows;
        float* place = y + t * yl.row + b * yl.block;
        const float* shift = bias ? bias + b * yl.block : nullptr;
        for (i64 r = 0; r < w.rows; ++r) {
          place[r * yl.step] = row[r] + (shift ? shift[r * yl.step] : 0.0f);
        }
      }
    }
  });
}

Matmul::Matmul(const Kernels& kernels, ThreadPool& pool)
    : impl_((limit_gemm_isa(kernels), std::make_unique<Impl>(kernels, pool))) {}
Matmul::~Matmul() = default;

void Matmul::operator()(i64 n, const float* x, const Layout& x_layout, const WeightView& w,
                        const float* bias, float* y, const Layout& y_layout) {
  LATHE_DCHECK(stored_kernels(impl_->k, w.dtype).gemv != nullptr);
  if (n <= kGemvVectors) {
    impl_->run_gemv(n, x, x_layout, w, bias, y, y_layout);
  } else {
    impl_->run_gemm(n, x, x_layout, w, bias, y, y_layout);
  }
}

}  // namespace lathe
