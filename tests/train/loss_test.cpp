// The chunked loss against the whole matrix of logits.
#include "train/nn/loss.h"

#include <doctest/doctest.h>

#include <cmath>

#include "train/nn/init.h"

using namespace lathe;
using namespace lathe::train;

TEST_CASE("cross-entropy in chunks equals log-softmax of the whole, and so do its gradients") {
  // Chosen so that several chunks, the last one short, are needed.
  const i64 V = 40000, D = 6, N = 1000;
  REQUIRE(N * V * 4 > 2 * kLossChunkBytes);
  Parameter head;
  head.info.name = "head";
  head.value = normal_tensor({V, D}, 0.7, 1, 0);
  head.compute = head.value;
  head.grad = at::zeros({V, D});
  const at::Tensor h = normal_tensor({N, D}, 1, 1, 1);
  const at::Tensor targets = at::arange(N, at::kLong) * 37 % V;
  const double scale = 0.125;

  const at::Tensor log_p = at::log_softmax(at::mm(h, head.value.t()).to(at::kDouble), 1);
  const double expected = -log_p.gather(1, targets.unsqueeze(1)).sum().item<double>();
  at::Tensor dlogits = log_p.exp();
  dlogits.scatter_add_(1, targets.unsqueeze(1), at::full({N, 1}, -1.0, dlogits.options()));
  dlogits *= scale;

  CHECK(cross_entropy_sum(h, head, targets).item<double>() ==
        doctest::Approx(expected).epsilon(1e-5));
  const auto [loss, dh] = cross_entropy_grad(h, head, targets, scale);
  CHECK(loss.item<double>() == doctest::Approx(expected).epsilon(1e-5));
  const at::Tensor want_dh = at::mm(dlogits, head.value.to(at::kDouble));
  const at::Tensor want_dw = at::mm(dlogits.t(), h.to(at::kDouble));
  const auto relative = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
  };
  CHECK(relative(dh, want_dh) < 1e-4);
  CHECK(relative(head.grad, want_dw) < 1e-4);
}

TEST_CASE("bf16 cross-entropy stays within rounding of f32") {
  const i64 V = 501, D = 32, N = 70;
  Parameter head;
  head.value = normal_tensor({V, D}, 0.2, 1, 0);
  head.grad = at::zeros({V, D});
  head.compute = head.value.to(at::kBFloat16);
  const at::Tensor h = normal_tensor({N, D}, 1, 1, 1).to(at::kBFloat16);
  const at::Tensor targets = at::arange(N, at::kLong) * 7 % V;
  Parameter exact;
  exact.value = exact.compute = head.compute.to(at::kFloat);
  exact.grad = at::zeros({V, D});
  const auto [loss, dh] = cross_entropy_grad(h, head, targets, 1.0);
  const auto [want, want_dh] = cross_entropy_grad(h.to(at::kFloat), exact, targets, 1.0);
  CHECK(loss.item<double>() == doctest::Approx(want.item<double>()).epsilon(2e-3));
  CHECK(((dh.to(at::kFloat) - want_dh).norm() / want_dh.norm()).item<double>() < 0.02);
  CHECK(((head.grad - exact.grad).norm() / exact.grad.norm()).item<double>() < 0.02);
}
