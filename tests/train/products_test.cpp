// The seam of the matrix products against LibTorch's f64: every layout that a caller hands over,
// stacks, and more columns and depth than a block holds.
#include "train/nn/products.h"

#include <doctest/doctest.h>

using namespace lathe::train;

namespace {

// Within the rounding of f32 sums, and of one rounding to the operands' type: where LibTorch
// multiplies bf16, a product is rounded before it is added to f32.
void check_close(const at::Tensor& got, const at::Tensor& want, int64_t depth,
                 at::ScalarType operands) {
  const double rounding = operands == at::kBFloat16 ? 1.0 / 256 : 0;
  const double sums = 1e-6 * std::sqrt(static_cast<double>(depth));
  const at::Tensor bound = (want.abs() + want.abs().mean()) * (rounding + sums) + 1e-6;
  CHECK(((got.to(at::kDouble) - want).abs() <= bound).all().item<bool>());
}

at::Tensor normal(at::IntArrayRef sizes, at::ScalarType type) { return at::randn(sizes).to(type); }
at::Tensor wide(const at::Tensor& t) { return t.to(at::kDouble); }

}  // namespace

TEST_CASE("linear_product is scale x w^T + bias, for f32 and bf16") {
  at::manual_seed(1);
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const auto& [n, in, out] : {std::array<int64_t, 3>{1, 1, 1},
                                     {7, 300, 33},
                                     {200, 520, 96},
                                     {64, 24, 4500},
                                     {1, 768, 100}}) {
      const at::Tensor x = normal({n, in}, type), w = normal({out, in}, type);
      const at::Tensor bias = normal({out}, type);
      const at::Tensor y = linear_product(x, w, bias);
      CHECK((y.scalar_type() == type));
      check_close(y, at::addmm(wide(bias), wide(x), wide(w).t()), in, type);
      check_close(linear_product(x, w, {}, 0.5), 0.5 * at::mm(wide(x), wide(w).t()), in, type);
    }
  }
}

TEST_CASE(
    "multiply and add_multiplied take operands as transposed, strided and stacked as they are") {
  at::manual_seed(2);
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = normal({150, 4 * 70}, type);
    const at::Tensor by_group = x.view({150, 4, 70}).transpose(0, 1);  // (4, 150, 70) in place
    const at::Tensor w = normal({4, 90, 70}, type);
    const at::Tensor y = at::empty({150, 4 * 90}, x.options());
    const at::Tensor y_by_group = y.view({150, 4, 90}).transpose(0, 1);
    multiply(y_by_group, by_group, w.transpose(1, 2));
    check_close(y_by_group, at::bmm(wide(by_group), wide(w).transpose(1, 2)), 70, type);

    const at::Tensor grad = at::randn({4, 90, 70}), before = grad.clone();
    add_multiplied(grad, y_by_group.transpose(1, 2), by_group, 0.5);
    check_close(grad,
                wide(before) + 0.5 * at::bmm(wide(y_by_group).transpose(1, 2), wide(by_group)), 150,
                type);

    // Columns of every second element: no stride is 1.
    const at::Tensor sparse = normal({40, 60}, type).slice(1, 0, 60, 2);
    check_close(product(sparse, sparse.t(), 2), 2 * at::mm(wide(sparse), wide(sparse).t()), 30,
                type);
    // Into a transposed matrix.
    const at::Tensor turned = at::zeros({50, 40}, x.options()).t();
    multiply(turned, sparse, normal({30, 50}, type).fill_(1));
    check_close(turned, wide(sparse).sum(1, true).expand({40, 50}), 30, type);
    const at::Tensor sums = at::ones({50, 40}).t();
    add_multiplied(sums, sparse, normal({30, 50}, type).fill_(1));
    check_close(sums, 1 + wide(sparse).sum(1, true).expand({40, 50}), 30, type);
  }
}

TEST_CASE("a product has the same bits on any number of threads") {
  at::manual_seed(3);
  const int before = at::get_num_threads();
  const at::Tensor x = at::randn({300, 600}), w = at::randn({500, 600});
  at::set_num_threads(1);
  const at::Tensor one = linear_product(x, w, {});
  for (const int threads : {2, 3}) {
    at::set_num_threads(threads);
    CHECK(at::equal(linear_product(x, w, {}), one));
  }
  at::set_num_threads(before);
}
