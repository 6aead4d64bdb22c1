#include "train/nn/products.h"

#include "base/error.h"
#include "base/numeric.h"
#include "train/nn/fused.h"

namespace lathe::train {

namespace {

// Whether products of tensors like `a` are ours to do: bf16 is LibTorch's where the CPU multiplies
// it itself.
bool is_ours(const at::Tensor& a) {
  return fused_kernels(a) && !(a.scalar_type() == at::kBFloat16 && multiplies_bf16());
}

i64 column_stride(const at::Tensor& t) { return t.size(-1) == 1 ? 1 : t.stride(-1); }
// With a stride of 1 along rows or columns, as the kernels take their operands.
at::Tensor operand(const at::Tensor& t) {
  return column_stride(t) == 1 || t.stride(-2) == 1 ? t : t.contiguous();
}
// Whether `out` can be written where it lies.
bool takes_sums(const at::Tensor& out) {
  return out.scalar_type() == at::kFloat && column_stride(out) == 1;
}

// How the tiles of C are handed to threads: at least some 0.05 ms each, more of them than threads,
// so that one whose core is busy with other work takes fewer.
struct Tasks {
  i64 rows = 1, columns = 1;  // parts of each
};
Tasks cut(i64 m, i64 panels, i64 panel_flops, i64 block) {
  constexpr i64 kLeastFlops = 5'000'000;
  const i64 threads = at::get_num_threads();
  if (threads == 1) return {};
  const i64 wanted = std::clamp<i64>(m * panels * panel_flops / kLeastFlops, 1, 4 * threads);
  Tasks tasks;
  tasks.rows = std::max(div_up(m, block), std::min(wanted, div_up(m, block / 4)));
  tasks.columns = std::clamp<i64>(div_up(wanted, tasks.rows), 1, panels);
  return tasks;
}

// Elements to pack that are worth a thread.
constexpr i64 kPackingGrain = 1 << 17;

// Border i of `size` in `parts`, at multiples of `unit`.
i64 border(i64 size, i64 parts, i64 unit, i64 i) {
  return std::min(size, div_up(size, unit) * i / parts * unit);
}

// C (m, n) f32 = beta · C + alpha · A B, or bias + alpha · A B. The order of the sums depends on k
// alone, not on threads. None of the sizes is 0.
void multiply_matrices(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double alpha,
                       double beta, const at::Tensor& bias) {
  // Elements of B in panels at a time, 10 MB: a last-level cache of ordinary size.
  constexpr i64 kPacked = 2'500'000;
  const auto& kernels = *fused_kernels(a);
  const i64 m = c.size(0), n = c.size(1), k = a.size(1), panel = kernels.product_panel;
  LATHE_CHECK(m > 0 && n > 0 && k > 0);
  const i64 depths = div_up(k, kProductDepth);
  const i64 stretches = std::min(div_up(n * k, kPacked), div_up(n, panel));
  const i64 most_panels = div_up(div_up(n, panel), stretches);
  const at::Tensor packed = at::empty({most_panels * panel * k}, c.options());
  const auto part = [&](const at::Tensor& t, i64 row, i64 column) {
    return static_cast<char*>(t.data_ptr()) +
           (row * t.stride(0) + column * column_stride(t)) * t.element_size();
  };
  for (i64 stretch = 0; stretch < stretches; ++stretch) {
    const i64 left = border(n, stretches, panel, stretch);
    const i64 columns = border(n, stretches, panel, stretch + 1) - left;
    const i64 n_panels = div_up(columns, panel);
    // A stretch's panels, one depth behind the other.
    const auto panels_of = [&](i64 top) { return f32_data(packed) + top * n_panels * panel; };
    for_ranges(depths * n_panels, div_up(kPackingGrain, std::min(k, kProductDepth) * panel),
               [&](i64 begin, i64 end) {
                 for (i64 d = begin / n_panels; d * n_panels < end; ++d) {
                   const i64 top = border(k, depths, 16, d);
                   kernels.pack_panels(
                       {border(k, depths, 16, d + 1) - top, columns, part(b, top, left),
                        b.stride(0), column_stride(b), panels_of(top)},
                       std::max<i64>(begin - d * n_panels, 0),
                       std::min(end - d * n_panels, n_panels));
                 }
               });
    const Tasks tasks = cut(m, n_panels, 2 * k * panel, kernels.product_block);
    for_each_task(tasks.rows * tasks.columns, [&](i64 task) {
      const i64 row = task / tasks.columns, column = task % tasks.columns;
      const at::Tensor scratch = at::empty({kernels.product_scratch_bytes}, at::kByte);
      for (i64 d = 0; d < depths; ++d) {
        const i64 top = border(k, depths, 16, d);
        const ProductRows run{border(k, depths, 16, d + 1) - top,
                              columns,
                              part(a, 0, top),
                              a.stride(0),
                              column_stride(a),
                              panels_of(top),
                              static_cast<float>(alpha),
                              d == 0 ? static_cast<float>(beta) : 1,
                              d == 0 && bias.defined() ? f32_data(bias) + left : nullptr,
                              f32_data(c) + left,
                              c.stride(0)};
        kernels.multiply_rows(run, m * row / tasks.rows, m * (row + 1) / tasks.rows,
                              n_panels * column / tasks.columns,
                              n_panels * (column + 1) / tasks.columns, scratch.data_ptr());
      }
    });
  }
}

// The same, or for each of stacks of matrices.
void run(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double alpha, double beta,
         const at::Tensor& bias) {
  const at::Tensor left = operand(a), right = operand(b);
  if (out.dim() == 2) return multiply_matrices(out, left, right, alpha, beta, bias);
  for (i64 i = 0; i < out.size(0); ++i) {
    multiply_matrices(out[i], left[i], right[i], alpha, beta, bias);
  }
}

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                          double scale) {
  if (!is_ours(x)) return at::linear(x, scale == 1 ? w : w * scale, bias);
  const at::Tensor out = at::empty({x.size(0), w.size(0)}, x.options().dtype(at::kFloat));
  run(out, x, w.t(), scale, 0, bias.defined() ? bias.to(at::kFloat) : bias);
  return out.to(x.scalar_type());
}

void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale) {
  if (is_ours(a)) {
    const at::Tensor sums =
        takes_sums(out) ? out : at::empty(out.sizes(), out.options().dtype(at::kFloat));
    run(sums, a, b, scale, 0, {});
    if (!sums.is_same(out)) out.copy_(sums);
    return;
  }
  const at::Tensor right = scale == 1 ? b : b * scale;
  if (out.dim() == 2) {
    at::Tensor whole = out;
    at::mm_out(whole, a, right);
  } else if (!a.is_cpu()) {
    at::Tensor whole = out;
    at::bmm_out(whole, a, right);
  } else {
    // One product each: LibTorch's batched one first copies operands in strides, and took twice as
    // long.
    for (i64 i = 0; i < a.size(0); ++i) {
      at::Tensor one = out[i];
      at::mm_out(one, a[i], right[i]);
    }
  }
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b, double scale) {
  const at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  multiply(out, a, b, scale);
  return out;
}

void add_multiplied(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale) {
  if (is_ours(a) && takes_sums(out)) {
    run(out, a, b, scale, 1, {});
  } else if (out.dim() == 3 && a.is_cpu()) {
    for (i64 i = 0; i < a.size(0); ++i) add_multiplied(out[i], a[i], b[i], scale);
  } else if (out.scalar_type() != a.scalar_type()) {
    at::Tensor sum = out;
    add_to(sum, out.dim() == 3 ? at::bmm(a, b) : at::mm(a, b), scale);
  } else {
    at::Tensor sum = out;
    if (out.dim() == 3) {
      sum.baddbmm_(a, b, 1, scale);
    } else if (is_ours(a)) {
      sum.add_(product(a, b, scale));
    } else {
      sum.addmm_(a, b, 1, scale);
    }
  }
}

}  // namespace lathe::train
