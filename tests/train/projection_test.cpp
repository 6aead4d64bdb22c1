// Closed forms under what errors cost: against eigenvalues, random steps and the formulas'
// variants.
#include "train/nn/projection.h"

#include <doctest/doctest.h>

#include "one_block.h"

using namespace lathe;
using namespace lathe::train;

namespace {

// A covariance of correlated numbers, f64.
at::Tensor random_moments(i64 n, uint32_t stream) {
  const at::Tensor mix = normal_tensor({n, n}, 1, 21, stream).to(at::kDouble);
  return regularised(at::mm(mix, mix.t()), 0.02);
}

double error_of(const LinearSpec& spec, const at::Tensor& dense,
                const std::vector<at::Tensor>& found, const ErrorMetric& metric) {
  const at::Tensor product = merged_product(spec, found[0], found[1]);
  return weighted_error(dense - product, metric);
}

}  // namespace

TEST_CASE("weighted error: is the trace by its definition") {
  const ErrorMetric metric{random_moments(5, 1), random_moments(4, 2)};
  const at::Tensor e = normal_tensor({4, 5}, 1, 3, 0).to(at::kDouble);
  const double trace = at::mm(at::mm(metric.gradients, e), at::mm(metric.inputs, e.t()))
                           .diagonal()
                           .sum()
                           .item<double>();
  CHECK(weighted_error(e, metric) == doctest::Approx(trace));
  CHECK(weighted_error(e, {}) == doctest::Approx(e.square().sum().item<double>()));
}

TEST_CASE("closed form of low_rank: loses exactly the smallest whitened singular values") {
  const LinearSpec spec = {.kind = LinearKind::kLowRank, .in = 12, .out = 20, .rank = 5};
  const at::Tensor w = normal_tensor({20, 12}, 1, 9, 0).to(at::kDouble);
  const at::Tensor a = random_moments(12, 1), g = random_moments(20, 2);
  const auto found = Projection(spec, w, {a, g}).factors_at(spec);
  // The eigenvalues of A Wᵀ G W are the squares of those singular values, without any root.
  const at::Tensor values = at::real(at::linalg_eigvals(at::mm(at::mm(a, w.t()), at::mm(g, w))));
  const at::Tensor sorted = std::get<0>(at::sort(values, 0, /*descending=*/true));
  const double lost = sorted.narrow(0, 5, 7).sum().item<double>();
  CHECK(error_of(spec, w, found, {a, g}) == doctest::Approx(lost).epsilon(1e-4));

  // The root matters: with L_G in place of its transpose the factors are worse.
  const at::Tensor root = at::linalg_cholesky(g), input_root = at::linalg_cholesky(a);
  const auto [p, s, q] = at::linalg_svd(at::mm(at::mm(root, w), input_root), false);
  const at::Tensor cut = at::mm(p.narrow(1, 0, 5) * s.narrow(0, 0, 5), q.narrow(0, 0, 5));
  const at::Tensor other = at::mm(at::linalg_solve(root, cut), at::linalg_inv(input_root));
  CHECK(weighted_error(w - other, {a, g}) > 1.05 * lost);
  // And plain projection is another thing.
  CHECK(error_of(spec, w, project_to(spec, w), {a, g}) > 1.05 * lost);
}

TEST_CASE("closed forms: sweeps never make it worse, and end where no step makes it better") {
  for (const LinearShape& shape : kLinearShapes) {
    if (shape.option.kind == LinearKind::kDense) continue;
    const LinearSpec spec = at_widths(shape.option, {.in = shape.in, .out = shape.out});
    CAPTURE(describe_linear(spec));
    const at::Tensor w = normal_tensor({spec.out, spec.in}, 1, 9, 0).to(at::kDouble);
    for (const bool with_gradients : {false, true}) {
      ErrorMetric metric{random_moments(spec.in, 1), {}};
      if (with_gradients) metric.gradients = random_moments(spec.out, 2);
      const Projection projection(spec, w, metric);
      double before = error_of(spec, w, project_to(spec, w), metric);
      CHECK(projection.error_at(spec) ==
            doctest::Approx(error_of(spec, w, projection.factors_at(spec), metric)).epsilon(1e-4));
      for (const int sweeps : {0, 1, 3, 10, 300}) {
        const double now = error_of(spec, w, projection.factors_at(spec, sweeps), metric);
        CHECK(now <= before * (1 + 1e-6));
        before = now;
      }
      const auto best = projection.factors_at(spec, 300);
      for (uint32_t stream = 0; stream < 20; ++stream) {
        auto moved = best;
        for (size_t i = 0; i < 2; ++i) {
          moved[i] = best[i] + 0.01 * normal_tensor(best[i].sizes().vec(), 1, 11,
                                                    stream * 2 + static_cast<uint32_t>(i));
        }
        CHECK(error_of(spec, w, moved, metric) > before * (1 - 1e-4));
      }
    }
  }
}

TEST_CASE("closed forms: where no metric couples the blocks, the start is the end") {
  const LinearSpec spec = {.kind = LinearKind::kBlockShuffle, .in = 12, .out = 20, .n_blocks = 2};
  const at::Tensor w = normal_tensor({20, 12}, 1, 9, 0).to(at::kDouble);
  at::Tensor a = at::zeros({12, 12}, at::kDouble), g = at::zeros({20, 20}, at::kDouble);
  a.narrow(0, 0, 6).narrow(1, 0, 6).copy_(random_moments(6, 1));
  a.narrow(0, 6, 6).narrow(1, 6, 6).copy_(random_moments(6, 2));
  for (i64 l = 0; l < 2; ++l) {  // rows l, l + 2, …
    g.slice(0, l, 20, 2).slice(1, l, 20, 2).copy_(random_moments(10, 3 + static_cast<uint32_t>(l)));
  }
  const Projection projection(spec, w, {a, g});
  const double start = error_of(spec, w, projection.factors_at(spec, 0), {a, g});
  const double end = error_of(spec, w, projection.factors_at(spec, 20), {a, g});
  CHECK(end == doctest::Approx(start).epsilon(1e-5));
}

TEST_CASE("closed forms: a matrix that has the structure is kept, whatever errors would cost") {
  for (const LinearShape& shape : kLinearShapes) {
    if (shape.option.kind == LinearKind::kDense) continue;
    OneBlock f(shape.option, shape.in, shape.out);
    const LinearSpec& spec = f.block().up;
    CAPTURE(describe_linear(spec));
    const at::Tensor dense = merged(f.parameters, spec, f.part("ffn.up"));
    const ErrorMetric metric{random_moments(spec.in, 1), random_moments(spec.out, 2)};
    const auto found = Projection(spec, dense, metric).factors_at(spec, 2);
    CHECK(relative(merged_product(spec, found[0], found[1]), dense) < 1e-5);
  }
}

TEST_CASE("second moments are made fit: trace kept, rank deficits and zeros covered") {
  const at::Tensor x = normal_tensor({3, 8}, 1, 5, 0);  // rank 3 of 8
  const at::Tensor c = at::mm(x.t(), x);
  const at::Tensor shrunk = regularised(c, 0.1);
  CHECK(shrunk.diagonal().sum().item<double>() ==
        doctest::Approx(c.diagonal().sum().item<double>()));
  for (const double share : {0.0, 0.1}) {
    const at::Tensor root = at::linalg_cholesky(regularised(c, share));
    CHECK(relative(at::mm(root, root.t()), c.to(at::kDouble)) < share + 1e-4);
  }
  CHECK(at::equal(regularised(at::zeros({4, 4}), 0.1), at::eye(4, at::kDouble)));
}
