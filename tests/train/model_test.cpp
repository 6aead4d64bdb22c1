// Whole models: gradients, causality, recomputation, allocation.
#include "train/nn/model.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/cpu_isa.h"
#include "model/counts.h"
#include "model/presets.h"
#include "support/tiny_models.h"
#include "train/nn/init.h"
#include "train/optim/optimizer.h"

using namespace lathe;
using namespace lathe::train;

namespace {

struct Tiny {
  explicit Tiny(const ModelSpec& spec, Precision precision = Precision::kF32,
                bool recompute = false)
      : plan(make_plan(spec)),
        parameters(plan, at::kCPU, precision),
        model(plan, parameters, recompute) {
    const auto weights = test::random_weights(plan, 1);
    for (Parameter& p : parameters.list()) {
      const std::vector<float>& w = weights.at(p.info.name);
      p.value.copy_(at::tensor(w).view(p.info.shape));
    }
    parameters.refresh_compute();
  }
  Plan plan;
  Parameters parameters;
  Model model;
};

at::Tensor tokens_of(i64 rows, i64 n, i64 vocab, i64 start = 0) {
  return ((at::arange(rows * n, at::kLong) * 31 + start) % vocab).view({rows, n});
}

}  // namespace

TEST_CASE("every topology, kind and option: gradients equal central differences") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    Tiny tiny(spec);
    const at::Tensor in = tokens_of(2, 7, spec.vocab_size),
                     out = tokens_of(2, 7, spec.vocab_size, 5);
    tiny.parameters.zero_grad();
    const double scale = 1.0 / 14;
    tiny.model.loss_and_grad(in, out, scale);
    // Along a random direction over all parameters: one difference sees every gradient, and the
    // check of single tensors tells which is wrong.
    const auto loss = [&] { return scale * tiny.model.loss(in, out).item<double>(); };
    for (Parameter& p : tiny.parameters.list()) {
      CAPTURE(p.info.name);
      const at::Tensor direction =
          p.grad.abs().max().item<double>() > 0 ? p.grad / p.grad.norm() : at::ones_like(p.grad);
      const double expected = (direction * p.grad).sum().item<double>();
      const double h = 3e-3 / std::max(1.0, expected);
      const at::Tensor before = p.value.clone();
      p.value.add_(direction, h);
      const double high = loss();
      p.value.copy_(before).add_(direction, -h);
      const double low = loss();
      p.value.copy_(before);
      CHECK(std::abs((high - low) / (2 * h) - expected) < 0.02 * expected + 1e-3);
    }
  }
}

TEST_CASE("causality: a future token changes no earlier logit, whatever the topology") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    Tiny tiny(spec);
    at::Tensor a = tokens_of(1, 12, spec.vocab_size), b = a.clone();
    b[0][8] = (b[0][8] + 1) % spec.vocab_size;
    const at::Tensor la = tiny.model.logits(a), lb = tiny.model.logits(b);
    CHECK(at::equal(la.narrow(0, 0, 8), lb.narrow(0, 0, 8)));
    CHECK((la[8] - lb[8]).abs().max().item<double>() > 1e-4);
  }
}

TEST_CASE("cgpt of kernel 1 is lgpt, and of kernel 3 sees two positions back at once") {
  ModelSpec spec = test::tiny_spec();
  spec.tie_embeddings = false;
  spec.topology.kind = TopologyKind::kLgpt;
  Tiny lgpt(spec);
  spec.topology.kind = TopologyKind::kCgpt;
  spec.topology.kernel_size = 1;
  Tiny cgpt(spec);
  const at::Tensor in = tokens_of(2, 9, spec.vocab_size);
  CHECK(at::equal(lgpt.model.logits(in), cgpt.model.logits(in)));
}

TEST_CASE("recomputing activations changes no loss and no gradient") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    Tiny kept(spec), again(spec, Precision::kF32, true);
    const at::Tensor in = tokens_of(2, 7, spec.vocab_size),
                     out = tokens_of(2, 7, spec.vocab_size, 5);
    const at::Tensor a = kept.model.loss_and_grad(in, out, 0.1);
    const at::Tensor b = again.model.loss_and_grad(in, out, 0.1);
    CHECK(at::equal(a, b));
    CHECK(at::allclose(kept.parameters.flat_grad, again.parameters.flat_grad, 1e-5, 1e-7));
  }
}

TEST_CASE("an f32 step has the same bits on any number of threads") {
  if (active_isa() == CpuIsa::kScalar) return;  // LibTorch's own products
  ModelSpec spec;
  spec.vocab_size = 300;
  spec.context_length = 64;
  spec.d_model = 96;
  spec.n_layers = 2;
  spec.n_heads = spec.n_kv_heads = 3;
  spec.d_head = 32;
  spec.d_ff = 384;
  spec.ffn_linear = LinearOption{LinearKind::kBlockShuffle, 0, 2};
  const int before = at::get_num_threads();
  Tiny tiny(spec);
  const at::Tensor in = tokens_of(16, 64, 300), out = tokens_of(16, 64, 300, 5);
  at::Tensor grad, norm;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    tiny.parameters.zero_grad();
    tiny.model.loss_and_grad(in, out, 1.0 / 1024);
    Parameters* const sets[] = {&tiny.parameters};
    const at::Tensor norm_here = gradient_norm(sets);
    if (!grad.defined()) {
      grad = tiny.parameters.flat_grad.clone();
      norm = norm_here;
      CHECK(norm.item<double>() ==
            doctest::Approx(grad.to(at::kDouble).norm().item<double>()).epsilon(1e-6));
    }
    CHECK(at::equal(tiny.parameters.flat_grad, grad));
    CHECK(at::equal(norm_here, norm));
  }
  at::set_num_threads(before);
}

TEST_CASE("bf16 gradients point where f32 gradients do") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    Tiny exact(spec), rounded(spec, Precision::kBf16);
    const at::Tensor in = tokens_of(2, 33, spec.vocab_size),
                     out = tokens_of(2, 33, spec.vocab_size, 5);
    const at::Tensor a = exact.model.loss_and_grad(in, out, 0.1);
    const at::Tensor b = rounded.model.loss_and_grad(in, out, 0.1);
    CHECK(b.item<double>() == doctest::Approx(a.item<double>()).epsilon(0.02));
    const at::Tensor &x = exact.parameters.flat_grad, &y = rounded.parameters.flat_grad;
    const double cosine = ((x * y).sum() / (x.norm() * y.norm())).item<double>();
    CHECK(cosine > 0.96);  // the narrowest of these models are 3 wide: a rounding is a large turn
  }
}

TEST_CASE("counted parameters equal allocated ones for every preset that fits") {
  for (const std::string& name : preset_names()) {
    const Plan plan = make_plan(parse_model_spec(preset_spec(name), name));
    const ParamCount count = count_params(plan);
    if (count.total > 400'000'000) continue;  // several GB with gradients
    CAPTURE(name);
    Parameters parameters(plan, at::kCPU, Precision::kF32);
    i64 allocated = 0;
    for (const Parameter& p : parameters.list()) allocated += p.value.numel();
    CHECK(allocated == count.total);
  }
}
