#include "train/products.h"

#include "core/numeric.h"
#include "kernels/train/f32_product.h"
#include "train/fused.h"

namespace lathe::train {

namespace {

// Whether a product of `a` is ours to do, after widening if need be.
bool is_ours(const at::Tensor& a) {
  if (!a.is_cpu() || !has_f32_product()) return false;
  return a.scalar_type() == at::kFloat || (a.scalar_type() == at::kBFloat16 && !multiplies_bf16());
}

Strided<float> strided(const at::Tensor& t) { return {f32_data(t), t.stride(-2), t.stride(-1)}; }

template <class T>
Strided<T> at_element(const Strided<T>& m, i64 row, i64 column) {
  return {m.data + row * m.row_stride + column * m.column_stride, m.row_stride, m.column_stride};
}
Strided<const float> read_only(const Strided<float>& m) {
  return {m.data, m.row_stride, m.column_stride};
}

// How C is cut for threads: parts of at least some 0.05 ms each, more of them than threads, so that
// one whose core is busy with other work takes fewer.
struct Parts {
  i64 rows = 1, columns = 1;
};
Parts cut(i64 m, i64 n, i64 k, i64 stack) {
  constexpr i64 kLeastFlops = 5'000'000;
  const i64 wanted =
      std::min<i64>(2 * m * n * k / kLeastFlops, div_up(4 * at::get_num_threads(), stack));
  Parts parts;
  while (parts.rows * parts.columns < wanted && at::get_num_threads() > 1) {
    (m / parts.rows >= n / parts.columns ? parts.rows : parts.columns) *= 2;
  }
  return parts;
}
// Border i of n elements in `parts`, at a multiple of the kernels' tiles.
i64 border(i64 n, i64 parts, i64 i) {
  constexpr i64 kTile = 48;
  return i == parts ? n : std::min(n, n * i / parts / kTile * kTile);
}

// out = beta · out + alpha · a b, all f32, (M, N) or stacks; with a bias (N), out = bias + …
void run(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double alpha, double beta,
         const at::Tensor& bias) {
  const i64 stack = out.dim() == 3 ? out.size(0) : 1;
  const i64 m = out.size(-2), n = out.size(-1), k = a.size(-1);
  const auto one = [&](const at::Tensor& t, i64 i) {
    Strided<float> matrix = strided(t);
    if (t.dim() == 3) matrix.data += i * t.stride(0);
    return matrix;
  };
  const float* shift = bias.defined() ? f32_data(bias) : nullptr;
  const Parts parts = cut(m, n, k, stack);
  for_each_task(stack * parts.rows * parts.columns, [&](i64 task) {
    const i64 i = task / (parts.rows * parts.columns);
    const i64 row = task / parts.columns % parts.rows, column = task % parts.columns;
    const i64 top = border(m, parts.rows, row), bottom = border(m, parts.rows, row + 1);
    const i64 left = border(n, parts.columns, column), right = border(n, parts.columns, column + 1);
    const auto c = at_element(one(out, i), top, left);
    for (i64 r = 0; shift && r < bottom - top; ++r) {
      std::copy(shift + left, shift + right, c.data + r * c.row_stride);
    }
    f32_product(bottom - top, right - left, k, static_cast<float>(alpha),
                at_element(read_only(one(a, i)), top, 0), at_element(read_only(one(b, i)), 0, left),
                shift ? 1.0f : static_cast<float>(beta), c);
  });
}

at::Tensor widened(const at::Tensor& t) { return t.to(at::kFloat); }

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                          double scale) {
  if (!is_ours(x)) return at::linear(x, scale == 1 ? w : w * scale, bias);
  const at::Tensor out = at::empty({x.size(0), w.size(0)}, x.options().dtype(at::kFloat));
  run(out, widened(x), widened(w.t()), scale, 0, bias.defined() ? widened(bias) : bias);
  return out.to(x.scalar_type());
}

void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale) {
  if (is_ours(a)) {
    const at::Tensor wide = out.scalar_type() == at::kFloat
                                ? out
                                : at::empty(out.sizes(), out.options().dtype(at::kFloat));
    run(wide, widened(a), widened(b), scale, 0, {});
    if (!wide.is_same(out)) out.copy_(wide);
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
  if (is_ours(a) && out.scalar_type() == at::kFloat) {
    run(out, widened(a), widened(b), scale, 1, {});
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
