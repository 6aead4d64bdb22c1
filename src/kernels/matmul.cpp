#include "kernels/matmul.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/numeric.h"
#include "kernels/buffer.h"
#include "kernels/dispatch.h"

namespace lathe {

namespace {

// Below this many multiply-adds a loop is not worth waking the other threads.
constexpr i64 kMinSharedMacs = 1 << 14;
// Vectors that go through all of a task's panels before the next ones: as their columns of
// kPanelDepth fit the second-level cache.
constexpr i64 kVectorBlock = 192;

i64 panels_of(const PanelKernels& p, const PanelView& w) { return div_up(w.rows, p.panel_rows); }

// Whether bf16 weights are multiplied faster by the CPU's instruction for bf16 than widened to f32:
// twice as fast on Zen 4, half as fast on an Intel CPU whose AMX is hidden. Measured once.
bool measure_bf16(const Kernels& kernels) {
  const PanelKernels& p = panel_kernels(kernels, DType::kBf16);
  if (!p.multiply_bf16) return false;
  const i64 rows = 4 * p.panel_rows, cols = kPanelDepth, n = 96;
  Buffer panels(static_cast<size_t>(p.bytes(rows, cols)));
  Buffer x(static_cast<size_t>(n * cols) * sizeof(float));
  Buffer y(static_cast<size_t>(n * rows) * sizeof(float));
  Buffer scratch(static_cast<size_t>(p.panel_rows * kPanelDepth) * sizeof(float));
  const PanelProduct product{.panels = panels.data(),
                             .rows = rows,
                             .cols = cols,
                             .x = x.data(),
                             .ldx = cols,
                             .n = n,
                             .y = y.as<float>(),
                             .ldy = rows,
                             .scratch = scratch.data()};
  using Clock = std::chrono::steady_clock;
  auto narrow = Clock::duration::max(), wide = narrow;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    p.multiply_bf16(product, 0, 4);
    const auto between = Clock::now();
    p.multiply(product, 0, 4);
    narrow = std::min(narrow, between - start);
    wide = std::min(wide, Clock::now() - between);
  }
  return narrow < wide;
}

bool bf16_products_pay(const Kernels& kernels) {
  static const bool pay = measure_bf16(kernels);
  return pay;
}

}  // namespace

i64 panel_bytes(const Kernels& kernels, const PanelView& shape) {
  return shape.n_blocks * panel_kernels(kernels, shape.dtype).bytes(shape.rows, shape.cols);
}

void pack_panels(const Kernels& kernels, ThreadPool& pool, const PanelView& shape, const void* from,
                 void* to) {
  const PanelKernels& p = panel_kernels(kernels, shape.dtype);
  const i64 source = stored_bytes(shape.dtype, shape.rows * shape.cols);
  const i64 target = p.bytes(shape.rows, shape.cols), panels = panels_of(p, shape);
  constexpr i64 kAtOnce = 8;
  const i64 parts = div_up(panels, kAtOnce);
  pool.parallel_for(shape.n_blocks * parts, [&](i64 task, int) {
    const i64 block = task / parts, first = task % parts * kAtOnce;
    p.pack(static_cast<const char*>(from) + block * source, shape.rows, shape.cols, first,
           std::min(panels, first + kAtOnce), static_cast<char*>(to) + block * target);
  });
}

void read_panel_row(const Kernels& kernels, const PanelView& w, i64 row, float* y) {
  panel_kernels(kernels, w.dtype).read_row(w.data, w.rows, w.cols, row, y);
}

struct Matmul::Impl {
  const Kernels& k;
  ThreadPool& pool;
  std::vector<Buffer> scratch;  // one a worker
  Buffer gathered, narrowed, scattered;

  Impl(const Kernels& kernels, ThreadPool& threads)
      : k(kernels), pool(threads), scratch(static_cast<size_t>(threads.size())) {}

  const float* gather(i64 n, const float* x, const Layout& xl, const PanelView& w);
  const void* narrow(i64 n, const float* x, const Layout& xl, const PanelView& w, i64 width);
  void scatter(i64 n, const float* from, const PanelView& w, float* y, const Layout& yl,
               const float* bias);
  template <class Rows>
  void for_rows(i64 n, const Rows& rows);
};

template <class Rows>
void Matmul::Impl::for_rows(i64 n, const Rows& rows) {
  constexpr i64 kAtOnce = 8;
  if (n <= kAtOnce) {
    for (i64 t = 0; t < n; ++t) rows(t);
    return;
  }
  pool.parallel_for(div_up(n, kAtOnce), [&](i64 group, int) {
    for (i64 t = group * kAtOnce; t < std::min(n, (group + 1) * kAtOnce); ++t) rows(t);
  });
}

// x as dense rows of n_blocks · cols values.
const float* Matmul::Impl::gather(i64 n, const float* x, const Layout& xl, const PanelView& w) {
  const i64 width = w.n_blocks * w.cols;
  float* all = gathered.grow<float>(static_cast<size_t>(n * width));
  for_rows(n, [&](i64 t) {
    const float* row = x + t * xl.row;
    float* to = all + t * width;
    for (i64 b = 0; b < w.n_blocks; ++b) {
      for (i64 c = 0; c < w.cols; ++c) to[b * w.cols + c] = row[b * xl.block + c * xl.step];
    }
  });
  return all;
}

// x, whose steps are 1, as bf16: `width` columns a block, those beyond cols 0.
const void* Matmul::Impl::narrow(i64 n, const float* x, const Layout& xl, const PanelView& w,
                                 i64 width) {
  auto* all = narrowed.grow<uint16_t>(static_cast<size_t>(n * w.n_blocks * width));
  const StoredKernels& bf16 = stored_kernels(k, DType::kBf16);
  for_rows(n, [&](i64 t) {
    for (i64 b = 0; b < w.n_blocks; ++b) {
      uint16_t* to = all + (t * w.n_blocks + b) * width;
      bf16.narrow(x + t * xl.row + b * xl.block, to, w.cols);
      if (width > w.cols) to[w.cols] = 0;
    }
  });
  return all;
}

// Dense rows of n_blocks · rows values to where y is.
void Matmul::Impl::scatter(i64 n, const float* from, const PanelView& w, float* y, const Layout& yl,
                           const float* bias) {
  for_rows(n, [&](i64 t) {
    for (i64 b = 0; b < w.n_blocks; ++b) {
      const float* row = from + (t * w.n_blocks + b) * w.rows;
      float* to = y + t * yl.row + b * yl.block;
      const float* shift = bias ? bias + b * yl.block : nullptr;
      for (i64 r = 0; r < w.rows; ++r) {
        const i64 at = r * yl.step;
        to[at] = row[r] + (shift ? shift[at] : 0.0f);
      }
    }
  });
}

Matmul::Matmul(const Kernels& kernels, ThreadPool& pool)
    : impl_(std::make_unique<Impl>(kernels, pool)) {}
Matmul::~Matmul() = default;

void Matmul::operator()(i64 n, const float* x, const Layout& x_layout, const PanelView& w,
                        const float* bias, float* y, const Layout& y_layout) {
  Impl& impl = *impl_;
  const PanelKernels& p = panel_kernels(impl.k, w.dtype);
  LATHE_DCHECK(p.multiply != nullptr);
  if (n == 0 || w.rows == 0) return;
  Layout from = x_layout;
  if (from.step != 1) {
    x = impl.gather(n, x, x_layout, w);
    from = {w.n_blocks * w.cols, w.cols, 1};
  }
  const bool bf16 = n > kFewVectors && p.multiply_bf16 && bf16_products_pay(impl.k);
  const void* activations = x;
  i64 element = sizeof(float);
  if (bf16) {
    const i64 width = w.cols + w.cols % 2;
    activations = impl.narrow(n, x, from, w, width);
    from = {w.n_blocks * width, width, 1};
    element = sizeof(uint16_t);
  }
  const bool scattered = y_layout.step != 1;
  float* result = y;
  Layout to = y_layout;
  if (scattered) {
    to = {w.n_blocks * w.rows, w.rows, 1};
    result = impl.scattered.grow<float>(static_cast<size_t>(n * to.row));
  }

  const i64 per_block = panels_of(p, w), all = w.n_blocks * per_block;
  const i64 block_bytes = p.bytes(w.rows, w.cols);
  // Panels counted through all blocks × vectors [t, t + count).
  const auto run = [&](i64 first, i64 last, i64 t, i64 count, int worker) {
    Buffer& scratch = impl.scratch[static_cast<size_t>(worker)];
    while (first < last) {
      const i64 b = first / per_block, panel = first % per_block;
      const i64 end = std::min(per_block, panel + last - first);
      const PanelProduct product{
          .panels = static_cast<const char*>(w.data) + b * block_bytes,
          .rows = w.rows,
          .cols = w.cols,
          .x = static_cast<const char*>(activations) + (t * from.row + b * from.block) * element,
          .ldx = from.row,
          .n = count,
          .bias = bias && !scattered ? bias + b * to.block : nullptr,
          .y = result + t * to.row + b * to.block,
          .ldy = to.row,
          .scratch = scratch.grow<float>(static_cast<size_t>(p.panel_rows * kPanelDepth))};
      (bf16 ? p.multiply_bf16 : p.multiply)(product, panel, end);
      first += end - panel;
    }
  };
  const i64 macs = w.n_blocks * w.rows * w.cols * n;
  const i64 n_vectors = div_up(n, kVectorBlock);
  if (macs < kMinSharedMacs || impl.pool.size() == 1) {
    for (i64 i = 0; i < n_vectors; ++i) {
      run(0, all, i * kVectorBlock, std::min(n - i * kVectorBlock, kVectorBlock), 0);
    }
  } else {
    // Some tasks a thread, so that one that started late does less; whole groups of panels.
    constexpr i64 kTogether = 4;
    const i64 wanted = div_up(4 * impl.pool.size(), n_vectors);
    const i64 step = div_up(div_up(all, wanted), kTogether) * kTogether;
    const i64 parts = div_up(all, step);
    impl.pool.parallel_for(parts * n_vectors, [&](i64 task, int worker) {
      const i64 t = task / parts * kVectorBlock, first = task % parts * step;
      run(first, std::min(all, first + step), t, std::min(n - t, kVectorBlock), worker);
    });
  }
  if (scattered) impl.scatter(n, result, w, y, y_layout, bias);
}

}  // namespace lathe
