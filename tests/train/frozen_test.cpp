// Frozen tensors: no update, no decay, nothing in the gradient's norm.
#include <doctest/doctest.h>

#include "support/tiny_models.h"
#include "train/nn/guidance.h"
#include "train/nn/init.h"
#include "train/nn/model.h"
#include "train/optim/optimizer.h"

using namespace lathe;
using namespace lathe::train;

namespace {

ModelSpec structured_spec() {
  ModelSpec spec = test::tiny_spec();
  spec.n_layers = 2;
  spec.ffn_linear = {LinearKind::kLowRank, 8, 0};
  spec.attention_linear = {LinearKind::kBlockShuffle, 0, 2};
  return spec;
}

struct Trained {
  Trained(const ModelSpec& spec, const OptimizerSpec& optimizer_spec,
          const std::vector<std::string>& patterns)
      : plan(make_plan(spec)), parameters(plan, at::kCPU, Precision::kF32) {
    initialise(parameters, 3);
    parameters.freeze(patterns);
    optimizer.emplace(optimizer_spec, parameters);
    model.emplace(plan, parameters, false);
  }
  void backward(const at::Tensor& tokens) {
    parameters.zero_grad();
    model->loss_and_grad(tokens, tokens.roll({1}, {1}), 1.0 / static_cast<double>(tokens.numel()));
    parameters.clear_frozen_grad();
  }
  at::Tensor norm() { return gradient_norm(std::vector{&parameters}); }
  Plan plan;
  Parameters parameters;
  std::optional<Optimizer> optimizer;
  std::optional<Model> model;
};

at::Tensor some_tokens() { return (at::arange(40, at::kLong) * 7 % 37).view({2, 20}); }

}  // namespace

TEST_CASE("frozen tensors stay bit for bit under every optimizer, and all others move") {
  struct Row {
    OptimizerKind kind;
    FactorDecay decay;
    const char* pattern;
  };
  for (const Row& row : {Row{OptimizerKind::kAdamw, FactorDecay::kPlain, "blocks.0.*"},
                         {OptimizerKind::kAdamw, FactorDecay::kPlain, "embedding.*"},
                         {OptimizerKind::kAdamw, FactorDecay::kFrobenius, "*.ffn.up.v"},
                         {OptimizerKind::kSpectron, FactorDecay::kPlain, "*.attention.*"},
                         {OptimizerKind::kSpectron, FactorDecay::kPlain, "blocks.1.ffn.down.u"},
                         {OptimizerKind::kSpectron, FactorDecay::kFrobenius, "*norm*"}}) {
    CAPTURE(row.pattern);
    CAPTURE(name_of(row.kind));
    OptimizerSpec spec;
    spec.kind = row.kind;
    spec.factor_decay = row.decay;
    spec.decay = Decay::kAll;
    Trained t(structured_spec(), spec, {row.pattern});
    const at::Tensor before = t.parameters.flat_value.clone();
    for (int step = 0; step < 3; ++step) {
      t.backward(some_tokens());
      t.optimizer->step(1e-2, t.norm());
    }
    i64 n_frozen = 0;
    for (const Parameter& p : t.parameters.list()) {
      CAPTURE(p.info.name);
      const at::Tensor was = before.narrow(0, p.offset, p.info.numel()).view(p.info.shape);
      n_frozen += p.frozen;
      CHECK(p.value.equal(was) == p.frozen);
      if (p.frozen) {
        const auto state = [&](const at::Tensor& flat) {
          return flat.narrow(0, p.offset, p.info.numel()).abs().max().item<double>();
        };
        CHECK(state(t.optimizer->exp_avg) == 0);
        CHECK(state(t.optimizer->exp_avg_sq) == 0);
      }
    }
    CHECK(n_frozen > 0);
  }
}

TEST_CASE("the gradient's norm is that of what is not frozen, whose gradients are the same") {
  Trained all(structured_spec(), {}, {}),
      some(structured_spec(), {}, {"embedding.*", "*.bias", "blocks.0.attention.*", "norm.*"});
  all.backward(some_tokens());
  some.backward(some_tokens());
  double squares = 0;
  for (const Parameter& p : some.parameters.list()) {
    CAPTURE(p.info.name);
    const at::Tensor whole = all.parameters.get(p.info.name).grad;
    if (p.frozen) {
      CHECK(p.grad.abs().max().item<double>() == 0);
    } else {
      CHECK(p.grad.equal(whole));
      squares += whole.square().sum().item<double>();
    }
  }
  CHECK(some.norm().item<double>() == doctest::Approx(std::sqrt(squares)).epsilon(1e-5));
  CHECK(some.norm().item<double>() < 0.99 * all.norm().item<double>());
}

TEST_CASE("a pair with a frozen factor is left out of the guide's re-projection") {
  SelfGuidedSpec spec;
  spec.mode = GuideMode::kFixedSteps;
  spec.alpha_end = 0.5;
  Trained t(structured_spec(), {}, {"blocks.0.ffn.up.v", "blocks.1.attention.*"});
  Guidance guidance(t.plan, spec, 4, 1, at::kCPU, Precision::kF32);
  for (Parameter& p : guidance.parameters.list()) p.value.normal_(0, 1);
  const at::Tensor before = t.parameters.flat_value.clone();
  guidance.reproject(t.parameters, [](const Parameter&) {});
  for (const Parameter& p : t.parameters.list()) {
    if (p.info.init != InitRule::kFactors) continue;
    CAPTURE(p.info.name);
    const bool kept = p.info.part == "blocks.0.ffn.up" || p.info.name.starts_with("blocks.1.att");
    CHECK(p.value.equal(before.narrow(0, p.offset, p.info.numel()).view(p.info.shape)) == kept);
  }
}
