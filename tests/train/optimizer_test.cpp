// AdamW against its formula, the schedules against values worked by hand.
#include "train/optim/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "one_block.h"
#include "train/optim/schedule.h"

using namespace lathe;
using namespace lathe::train;

namespace {

Plan tiny_plan() {
  ModelSpec spec;
  spec.vocab_size = 5;
  spec.context_length = 4;
  spec.d_model = 4;
  spec.d_ff = 8;
  spec.n_layers = 1;
  spec.n_heads = spec.n_kv_heads = 1;
  spec.d_head = 4;
  return make_plan(spec);
}

at::Tensor norm_of(Parameters& parameters) { return gradient_norm(std::vector{&parameters}); }

// One number's AdamW, from Loshchilov and Hutter (2019), algorithm 2.
struct Reference {
  double x, m = 0, v = 0;
  void step(double g, double lr, double decay, int t) {
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    const double mh = m / (1 - std::pow(0.9, t)), vh = v / (1 - std::pow(0.95, t));
    x = x - lr * decay * x - lr * mh / (std::sqrt(vh) + 1e-8);
  }
};

}  // namespace

TEST_CASE("AdamW follows its formula; weights decay and the rest does not; the norm is clipped") {
  for (const Decay decay : {Decay::kMatrices, Decay::kAll}) {
    const Plan plan = tiny_plan();
    Parameters parameters(plan, at::kCPU, Precision::kF32);
    uint32_t stream = 0;
    for (Parameter& p : parameters.list()) {
      p.value.copy_(normal_tensor(p.info.shape, 1, 2, stream++));
    }
    OptimizerSpec spec;
    spec.decay = decay;
    spec.clip = 1.0;
    Optimizer optimizer(spec, parameters);
    Parameter& matrix = parameters.get("blocks.0.ffn.up.weight");
    Parameter& bias = parameters.get("blocks.0.ffn.up.bias");
    Reference want_matrix{matrix.value[0][0].item<double>()};
    Reference want_bias{bias.value[0].item<double>()};
    for (int t = 1; t <= 4; ++t) {
      for (Parameter& p : parameters.list()) {
        p.grad.copy_(normal_tensor(p.info.shape, t == 2 ? 0.001 : 1.0, 3, stream++));
      }
      double squares = 0;
      for (Parameter& p : parameters.list()) squares += p.grad.square().sum().item<double>();
      const double norm = std::sqrt(squares);
      const double factor = std::min(1.0, 1.0 / norm);
      CHECK((t == 2) == (factor == 1.0));
      want_matrix.step(matrix.grad[0][0].item<double>() * factor, 0.01, 0.1, t);
      want_bias.step(bias.grad[0].item<double>() * factor, 0.01, decay == Decay::kAll ? 0.1 : 0, t);
      CHECK(norm_of(parameters).item<double>() == doctest::Approx(norm).epsilon(1e-5));
      optimizer.step(0.01, norm_of(parameters));
      CHECK(matrix.value[0][0].item<double>() == doctest::Approx(want_matrix.x).epsilon(1e-5));
      CHECK(bias.value[0].item<double>() == doctest::Approx(want_bias.x).epsilon(1e-5));
    }
  }
}

TEST_CASE("an update whose gradient is not finite changes nothing") {
  const Plan plan = tiny_plan();
  Parameters parameters(plan, at::kCPU, Precision::kBf16);
  initialise(parameters, 1);
  OptimizerSpec spec;
  Optimizer optimizer(spec, parameters);
  parameters.flat_grad.fill_(0.1);
  optimizer.step(0.01, norm_of(parameters));
  const at::Tensor value = parameters.flat_value.clone(), first = optimizer.exp_avg.clone();
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL}) {
    parameters.flat_grad[3] = bad;
    optimizer.step(0.01, norm_of(parameters));
    CHECK(at::equal(parameters.flat_value, value));
    CHECK(at::equal(optimizer.exp_avg, first));
    CHECK(optimizer.updates.item<double>() == 1);
  }
}

TEST_CASE("rates by structure are the formula's for every kind of the paper") {
  const auto rates = [](LinearOption option, i64 in, i64 out) {
    return structure_aware_rates({option.kind, in, out, option.rank, option.n_blocks, true});
  };
  using Rates = std::pair<double, double>;
  // low_rank: ½ and in / 2r; block_dense: b / 2 and in / 2r; block_shuffle: b / 2 twice, but
  // b · in / 2 out for the second where in > out.
  CHECK(rates({LinearKind::kLowRank, 192, 0}, 768, 3072) == Rates{0.5, 2});
  CHECK(rates({LinearKind::kLowRank, 192, 0}, 3072, 768) == Rates{0.5, 8});
  CHECK(rates({LinearKind::kBlockDense, 256, 2}, 768, 3072) == Rates{1, 1.5});
  CHECK(rates({LinearKind::kBlockShuffle, 0, 4}, 768, 3072) == Rates{2, 2});
  CHECK(rates({LinearKind::kBlockShuffle, 0, 4}, 3072, 768) == Rates{2, 8});
}

TEST_CASE("rates by structure: each factor moves as AdamW at its own rate") {
  const LinearOption kind = {LinearKind::kBlockShuffle, 0, 2};
  OneBlock plain(kind, 12, 24), aware(kind, 12, 24);
  OptimizerSpec spec;
  spec.weight_decay = 0;
  Optimizer a(spec, plain.parameters);
  spec.factor_lr = FactorRate::kStructureAware;
  Optimizer b(spec, aware.parameters);
  const at::Tensor before = plain.parameters.flat_value.clone();
  for (OneBlock* f : {&plain, &aware}) {
    f->parameters.flat_grad.copy_(normal_tensor({f->parameters.flat_grad.numel()}, 1, 8, 0));
  }
  a.step(1e-3, norm_of(plain.parameters));
  b.step(1e-3, norm_of(aware.parameters));
  for (const Parameter& p : plain.parameters.list()) {
    CAPTURE(p.info.name);
    const at::Tensor was = before.narrow(0, p.offset, p.info.numel()).view(p.info.shape);
    const double moved = (p.value - was).norm().item<double>();
    const double moved_aware =
        (aware.parameters.get(p.info.name).value - was).norm().item<double>();
    double rate = 1;
    if (p.info.name.ends_with("up.v") || p.info.name.ends_with("up.u")) rate = 1;  // b / 2
    if (p.info.name.ends_with("down.u")) rate = 2;                                 // b · 24 / 24
    CHECK(moved_aware / moved == doctest::Approx(rate).epsilon(1e-3));
  }
}

TEST_CASE("gradient of the product's norm equals central differences, for every kind") {
  for (const LinearShape& shape : kLinearShapes) {
    if (shape.option.kind == LinearKind::kDense) continue;
    OneBlock f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, "ffn.up"), std::pair(f.block().down, "ffn.down")}) {
      CAPTURE(describe_linear(spec));
      const std::string part = f.part(name);
      FactorPair pair{spec, &f.parameters.get(tensor_name(part, "v")),
                      &f.parameters.get(tensor_name(part, "u"))};
      const auto [dv, du] = product_norm_gradient(v_blocks(pair, f.parameters.flat_value),
                                                  u_blocks(pair, f.parameters.flat_value));
      const auto half_norm = [&] {
        return 0.5 * merged(f.parameters, spec, part).to(at::kDouble).square().sum().item<double>();
      };
      // Quadratic in each number: a central difference is exact.
      CHECK(gradient_error(pair.v->value, dv, half_norm) < 1e-4);
      CHECK(gradient_error(pair.u->value, du, half_norm) < 1e-4);
    }
  }
}

TEST_CASE(
    "frobenius decay takes lr · decay times that gradient off, and factors' own decay is off") {
  OneBlock f({LinearKind::kBlockDense, 6, 3}, 12, 24);
  OptimizerSpec spec;
  spec.factor_decay = FactorDecay::kFrobenius;
  spec.weight_decay = 0.3;
  Optimizer optimizer(spec, f.parameters);
  const auto pairs = factor_pairs(f.parameters);
  REQUIRE(pairs.size() == 2);
  const at::Tensor v = pairs[0].v->value.clone();
  const auto [dv, du] = product_norm_gradient(v_blocks(pairs[0], f.parameters.flat_value),
                                              u_blocks(pairs[0], f.parameters.flat_value));
  f.parameters.zero_grad();  // Adam then moves nothing
  optimizer.step(0.01, norm_of(f.parameters));
  CHECK(relative(pairs[0].v->value - v, -0.01 * 0.3 * dv.view(v.sizes())) < 1e-4);
}

TEST_CASE("orthogonalised blocks have singular values near 1, and the same singular vectors") {
  for (const auto& shape : {std::vector<i64>{1, 24, 60}, {3, 40, 16}, {2, 8, 8}}) {
    const at::Tensor g = normal_tensor(shape, 3, 4, 0);
    const at::Tensor o = orthogonalised(g);
    const at::Tensor sigma = at::linalg_svdvals(o);
    CHECK(sigma.min().item<double>() > 0.3);
    CHECK(sigma.max().item<double>() < 1.3);
    const auto [u, s, vh] = at::linalg_svd(g, false);
    CHECK(relative(o, at::bmm(u, vh)) < 0.35);
    // U'ᵀ O V is diagonal.
    const at::Tensor core = at::bmm(at::bmm(u.transpose(1, 2), o), vh.transpose(1, 2));
    const at::Tensor diagonal = at::diag_embed(core.diagonal(0, 1, 2));
    CHECK(relative(core, diagonal) < 1e-3);
  }
}

TEST_CASE("spectron: a factor's change has the rate of the rule, the product's stays below lr") {
  for (const LinearShape& shape : kLinearShapes) {
    if (shape.option.kind == LinearKind::kDense) continue;
    OneBlock f(shape.option, shape.in, shape.out);
    OptimizerSpec spec;
    spec.kind = OptimizerKind::kSpectron;
    spec.spectron_lr = 0.04;
    spec.weight_decay = 0;
    Optimizer optimizer(spec, f.parameters);
    const LinearSpec& up = f.block().up;
    CAPTURE(describe_linear(up));
    const std::string part = f.part("ffn.up");
    // Some steps at rate 0, so that the power iterations have settled.
    f.parameters.zero_grad();
    for (int i = 0; i < 60; ++i) optimizer.step(0, norm_of(f.parameters));
    const at::Tensor before = merged(f.parameters, up, part);
    const FactorPair pair = factor_pairs(f.parameters)[0];
    const at::Tensor v = v_blocks(pair, f.parameters.flat_value).clone();
    const double size = (at::linalg_svdvals(v).max() +
                         at::linalg_svdvals(u_blocks(pair, f.parameters.flat_value)).max())
                            .item<double>();
    f.parameters.flat_grad.copy_(normal_tensor({f.parameters.flat_grad.numel()}, 1, 8, 0));
    optimizer.step(spec.lr / 2, norm_of(f.parameters));  // half of the peak
    const at::Tensor moved = v_blocks(pair, f.parameters.flat_value) - v;
    const double rate = 0.02 / (size + 1);
    CHECK(at::linalg_svdvals(moved).max().item<double>() < 1.3 * rate);
    CHECK(at::linalg_svdvals(moved).max().item<double>() > 0.6 * rate);
    const at::Tensor change = merged(f.parameters, up, part) - before;
    CHECK(at::linalg_svdvals(change).max().item<double>() < 1.3 * 0.02);
    CHECK(change.norm().item<double>() > 0);
  }
}

TEST_CASE("spectron: an update whose gradient is not finite changes nothing") {
  OneBlock f({LinearKind::kLowRank, 5, 0}, 12, 20);
  OptimizerSpec spec;
  spec.kind = OptimizerKind::kSpectron;
  spec.factor_decay = FactorDecay::kFrobenius;
  Optimizer optimizer(spec, f.parameters);
  f.parameters.flat_grad.fill_(0.1);
  optimizer.step(1e-3, norm_of(f.parameters));
  const at::Tensor value = f.parameters.flat_value.clone(), first = optimizer.exp_avg.clone();
  f.parameters.flat_grad[3] = HUGE_VAL;
  optimizer.step(1e-3, norm_of(f.parameters));
  CHECK(at::equal(f.parameters.flat_value, value));
  CHECK(at::equal(optimizer.exp_avg, first));
}

TEST_CASE("schedules: warm-up, cosine, linear and warmup-stable-decay at their corners") {
  ScheduleSpec s;
  s.warmup = 10;
  s.min_lr = 0.1;
  CHECK(learning_rate(s, 2.0, 0, 110) == doctest::Approx(0.2));
  CHECK(learning_rate(s, 2.0, 9, 110) == doctest::Approx(2.0));
  CHECK(learning_rate(s, 2.0, 10, 110) == doctest::Approx(2.0));
  CHECK(learning_rate(s, 2.0, 60, 110) == doctest::Approx(1.1));
  CHECK(learning_rate(s, 2.0, 110, 110) == doctest::Approx(0.2));
  s.kind = ScheduleKind::kLinear;
  CHECK(learning_rate(s, 2.0, 35, 110) == doctest::Approx(2.0 - 1.8 / 4));
  s.kind = ScheduleKind::kWsd;
  s.cooldown = 0.2;  // 22 steps
  CHECK(learning_rate(s, 2.0, 87, 110) == doctest::Approx(2.0));
  CHECK(learning_rate(s, 2.0, 88, 110) == doctest::Approx(2.0));
  CHECK(learning_rate(s, 2.0, 88 + 11, 110) == doctest::Approx(0.2 + 1.8 * (1 - std::sqrt(0.5))));
  CHECK(share_or_steps(0.05, 200) == 10);
  CHECK(share_or_steps(1, 200) == 1);
  CHECK(share_or_steps(500, 200) == 200);
}
