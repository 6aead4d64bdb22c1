// Self-guided training: the schedule, the layer, its start, its draws and its cost.
#include <doctest/doctest.h>

#include <cmath>

#include "model/counts.h"
#include "one_block.h"
#include "support/tiny_models.h"
#include "train/nn/guided_linear.h"
#include "train/nn/model.h"
#include "train/nn/projection.h"

using namespace lathe;
using namespace lathe::train;

namespace {

SelfGuidedSpec guided_spec(GuideDraw draw) {
  SelfGuidedSpec spec;
  spec.mode = GuideMode::kFixedSteps;
  spec.stochastic = draw;
  return spec;
}

SelfGuidedSpec falling_spec(GuideDraw draw) {
  SelfGuidedSpec spec = guided_spec(draw);
  spec.schedule = GuideSchedule::kLinear;
  return spec;
}

// A block of one kind, guided for ten steps; at step 4 α is 0.655.
struct Guided {
  Guided(const LinearOption& option, i64 in, i64 out, GuideDraw draw = GuideDraw::kAlways)
      : Guided(option, in, out, guided_spec(draw), 10) {
    guidance.set_step(4);
  }
  // In the midst of so long a phase that α stays at `alpha` for 100,000 steps, to 1e-7.
  Guided(const LinearOption& option, i64 in, i64 out, GuideDraw draw, double alpha)
      : Guided(option, in, out, falling_spec(draw), kLong) {
    step = static_cast<i64>((1 - alpha) * static_cast<double>(kLong));
    guidance.set_step(step);
  }
  void next_step() { guidance.set_step(++step); }
  Guided(const LinearOption& option, i64 in, i64 out, const SelfGuidedSpec& spec, i64 guided)
      : block(option, in, out), guidance(block.plan, spec, guided, 5, at::kCPU, Precision::kF32) {
    guidance.start_from_product(block.parameters);
  }
  GuidedLinear linear(const LinearSpec& spec, const char* name) {
    return GuidedLinear(spec, block.part(name), block.parameters, &guidance);
  }
  Parameter& guide(const char* name) {
    return guidance.parameters.get(tensor_name(block.part(name), kGuide));
  }
  static constexpr i64 kLong = i64{1} << 40;
  OneBlock block;
  Guidance guidance;
  i64 step = 4;
};

bool structured(const LinearShape& shape) { return shape.option.kind != LinearKind::kDense; }

}  // namespace

TEST_CASE("alpha falls from 1 to its end over the guided steps, and is 0 after them") {
  SelfGuidedSpec spec;
  CHECK(guide_alpha(spec, 0, 8) == 1);
  CHECK(guide_alpha(spec, 2, 8) == doctest::Approx((1 + std::sqrt(0.5)) / 2));
  CHECK(guide_alpha(spec, 4, 8) == doctest::Approx(0.5));
  CHECK(guide_alpha(spec, 8, 8) == 0);
  CHECK(guide_alpha(spec, 100, 8) == 0);
  CHECK(guide_alpha(spec, 0, 0) == 0);
  spec.schedule = GuideSchedule::kLinear;
  spec.alpha_end = 0.2;
  CHECK(guide_alpha(spec, 0, 8) == 1);
  CHECK(guide_alpha(spec, 2, 8) == doctest::Approx(0.8));
  CHECK(guide_alpha(spec, 8, 8) == 0);
}

TEST_CASE("the dense path starts as the product of the factors, with both shuffles") {
  for (const LinearShape& shape : kLinearShapes) {
    if (!structured(shape)) continue;
    Guided g(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(g.block.block().up, "ffn.up"), std::pair(g.block.block().down, "ffn.down")}) {
      CAPTURE(describe_linear(spec));
      const at::Tensor dense = merged(g.block.parameters, spec, g.block.part(name));
      CHECK(relative(g.guide(name).value, dense) < 1e-6);
    }
  }
}

TEST_CASE("a guided linear is α·W + (1 − α)·product, its bias whole, for every kind") {
  for (const LinearShape& shape : kLinearShapes) {
    if (!structured(shape)) continue;
    Guided g(shape.option, shape.in, shape.out);
    const LinearSpec& spec = g.block.block().up;
    CAPTURE(describe_linear(spec));
    at::Tensor w = g.guide("ffn.up").value;
    w.copy_(normal_tensor({spec.out, spec.in}, 1, 21, 0));
    const double alpha = g.guidance.alpha();
    CHECK(alpha == doctest::Approx((1 + std::cos(0.4 * M_PI)) / 2));
    const at::Tensor mixture =
        alpha * w + (1 - alpha) * merged(g.block.parameters, spec, g.block.part("ffn.up"));
    const at::Tensor x = normal_tensor({7, spec.in}, 1, 3, 1);
    const at::Tensor bias =
        g.block.parameters.get(tensor_name(g.block.part("ffn.up"), "bias")).value;
    at::NoGradGuard no_grad;
    CHECK(relative(g.linear(spec, "ffn.up").forward(x), at::mm(x, mixture.t()) + bias) < 1e-5);
  }
}

TEST_CASE("a guided linear: gradients of W, factors, bias and input equal central differences") {
  for (const LinearShape& shape : kLinearShapes) {
    if (!structured(shape)) continue;
    Guided g(shape.option, shape.in, shape.out);
    const LinearSpec& spec = g.block.block().down;
    CAPTURE(describe_linear(spec));
    const GuidedLinear linear = g.linear(spec, "ffn.down");
    at::Tensor x = normal_tensor({5, spec.in}, 1, 3, 1).requires_grad_();
    const at::Tensor weights = normal_tensor({5, spec.out}, 1, 3, 2);
    (linear.forward(x) * weights).sum().backward();
    at::NoGradGuard no_grad;
    const auto loss = [&] {
      return (linear.forward(x.detach()).to(at::kDouble) * weights).sum().item<double>();
    };
    Parameter& guide = g.guide("ffn.down");
    CHECK(gradient_error(guide.value, guide.grad, loss) < 1e-4);
    for (const char* leaf : {"v", "u", "bias"}) {
      Parameter& p = g.block.parameters.get(tensor_name(g.block.part("ffn.down"), leaf));
      CHECK(gradient_error(p.value, p.grad, loss) < 1e-4);
    }
    CHECK(gradient_error(x.detach(), x.grad(), loss) < 1e-4);
  }
}

TEST_CASE("draws: with probability α, the same every time, other ones for other steps") {
  for (const GuideDraw draw : {GuideDraw::kPaper, GuideDraw::kUnbiased}) {
    Guided g({LinearKind::kLowRank, 4, 0}, 12, 20, draw, 0.6);
    const double alpha = g.guidance.alpha();
    CHECK(alpha == doctest::Approx(0.6).epsilon(1e-3));
    int guided = 0, alike = 0;
    std::optional<TrainingPass> pass(&g.guidance);
    for (int i = 0; i < 4000; ++i, g.next_step()) {
      const double now = g.guidance.alpha();
      const Mix drawn = draw == GuideDraw::kPaper ? Mix{now, 1 - now} : Mix{1, 0};
      const Mix up = g.guidance.mix(0), down = g.guidance.mix(1);
      CHECK((up == drawn || up == Mix{0, 1}));
      CHECK(g.guidance.mix(0) == up);
      guided += up == drawn;
      alike += up == down;
    }
    // Four standard deviations of 4000 draws.
    CHECK(std::abs(guided / 4000.0 - alpha) < 4 * std::sqrt(alpha * (1 - alpha) / 4000));
    const double same = alpha * alpha + (1 - alpha) * (1 - alpha);
    CHECK(std::abs(alike / 4000.0 - same) < 4 * std::sqrt(same * (1 - same) / 4000));
    pass.reset();
    const double now = g.guidance.alpha();
    CHECK(g.guidance.mix(0) == Mix{now, 1 - now});  // evaluation is the mixture
  }
}

TEST_CASE("unbiased draws: the mean output is the mixture's; the paper's has less of the dense") {
  for (const GuideDraw draw : {GuideDraw::kPaper, GuideDraw::kUnbiased}) {
    Guided g({LinearKind::kBlockShuffle, 0, 4}, 16, 32, draw, 0.6);
    const double alpha = g.guidance.alpha();
    double dense = 0, structured = 0;
    const TrainingPass pass(&g.guidance);
    for (int i = 0; i < 20000; ++i, g.next_step()) {
      dense += g.guidance.mix(0).dense / 20000;
      structured += g.guidance.mix(0).structured / 20000;
    }
    const double expected = draw == GuideDraw::kPaper ? alpha * alpha : alpha;
    CHECK(dense == doctest::Approx(expected).epsilon(0.03));
    CHECK(structured == doctest::Approx(1 - expected).epsilon(0.03));
  }
}

TEST_CASE("a training pass that throws has ended too") {
  Guided g({LinearKind::kLowRank, 4, 0}, 12, 20, GuideDraw::kUnbiased, 0.6);
  try {
    const TrainingPass pass(&g.guidance);
    throw Error("in the middle");
  } catch (const Error&) {
  }
  const double now = g.guidance.alpha();
  CHECK(g.guidance.mix(0) == Mix{now, 1 - now});
}

TEST_CASE("the cost of a pass is that of the paths it runs") {
  Guided always({LinearKind::kLowRank, 4, 0}, 12, 20);
  // Two linears of 12 · 20 dense and 4 · (12 + 20) structured weights.
  CHECK(always.guidance.extra_flops_per_token() == 2 * 2 * 240);
  always.guidance.set_step(0);  // α = 1: the factors' path has no weight and is not run
  CHECK(always.guidance.extra_flops_per_token() == 2 * 2 * (240 - 128));
  for (const GuideDraw draw : {GuideDraw::kPaper, GuideDraw::kUnbiased}) {
    Guided g({LinearKind::kLowRank, 4, 0}, 12, 20, draw);
    const TrainingPass pass(&g.guidance);
    for (i64 step = 1; step < 10; ++step) {
      g.guidance.set_step(step);
      double expected = 0;
      for (const i64 index : {0, 1}) {
        if (g.guidance.mix(index).dense == 0) continue;
        expected += 2 * (draw == GuideDraw::kPaper ? 240 : 240 - 128);
      }
      CHECK(g.guidance.extra_flops_per_token() == expected);
    }
  }
}

TEST_CASE("over a phase the cost is the closed form's, for every way of drawing") {
  for (const GuideDraw draw : {GuideDraw::kAlways, GuideDraw::kPaper, GuideDraw::kUnbiased}) {
    const i64 steps = 4000;
    OneBlock block({LinearKind::kLowRank, 4, 0}, 12, 20);
    Guidance guidance(block.plan, guided_spec(draw), steps, 5, at::kCPU, Precision::kF32);
    double mean = 0;
    for (i64 step = 0; step < steps; ++step) {
      guidance.set_step(step);
      mean += guidance.extra_flops_per_token() / static_cast<double>(steps);
    }
    CHECK(mean == doctest::Approx(guide_flops_per_token(block.plan, draw)).epsilon(0.03));
  }
}

TEST_CASE("reprojection: the factors become the best ones for what the mixture was") {
  for (const LinearShape& shape : kLinearShapes) {
    if (!structured(shape)) continue;
    OneBlock block(shape.option, shape.in, shape.out);
    SelfGuidedSpec spec = guided_spec(GuideDraw::kAlways);
    spec.alpha_end = 0.25;
    Guidance guidance(block.plan, spec, 10, 5, at::kCPU, Precision::kF32);
    const LinearSpec& up = block.block().up;
    CAPTURE(describe_linear(up));
    at::Tensor w = guidance.parameters.get(tensor_name(block.part("ffn.up"), kGuide)).value;
    w.copy_(normal_tensor({up.out, up.in}, 1, 21, 0));
    const at::Tensor mixture = 0.25 * w + 0.75 * merged(block.parameters, up, block.part("ffn.up"));
    std::vector<std::string> changed;
    guidance.reproject(block.parameters,
                       [&](const Parameter& factor) { changed.push_back(factor.info.name); });
    CHECK(changed.size() == 4);
    // The same distance as of the projection itself, whose optimality linear_test shows.
    OneBlock other(shape.option, shape.in, shape.out);
    const auto best = project_to(up, mixture);
    other.parameters.get(tensor_name(block.part("ffn.up"), "v")).value.copy_(best[0]);
    other.parameters.get(tensor_name(block.part("ffn.up"), "u")).value.copy_(best[1]);
    CHECK(relative(merged(block.parameters, up, block.part("ffn.up")),
                   merged(other.parameters, up, block.part("ffn.up"))) < 1e-5);
  }
}

TEST_CASE("a guided model: recomputation and micro-batches of stochastic passes change nothing") {
  ModelSpec spec = test::tiny_spec();
  spec.ffn_linear = {LinearKind::kBlockShuffle, 0, 3};
  spec.attention_linear = {LinearKind::kLowRank, 12, 0};
  const Plan plan = make_plan(spec);
  CHECK(guide_list(plan).size() == 16);
  const at::Tensor in = (at::arange(14, at::kLong) * 31 % 37).view({2, 7});
  const at::Tensor out = (at::arange(14, at::kLong) * 31 % 37 + 1).remainder(37).view({2, 7});
  for (const GuideDraw draw : {GuideDraw::kAlways, GuideDraw::kPaper, GuideDraw::kUnbiased}) {
    std::vector<at::Tensor> grads, losses;
    for (const bool recompute : {false, true}) {
      Parameters parameters(plan, at::kCPU, Precision::kF32);
      initialise(parameters, 3);
      Guidance guidance(plan, guided_spec(draw), 10, 5, at::kCPU, Precision::kF32);
      guidance.start_from_product(parameters);
      guidance.set_step(5);
      Model model(plan, parameters, recompute, &guidance);
      losses.push_back(model.loss_and_grad(in, out, 0.1));
      grads.push_back(at::cat({parameters.flat_grad, guidance.parameters.flat_grad}));
      // W equals the factors' product, so that any mixture is the plain model.
      Model plain(plan, parameters, false);
      CHECK(losses.back().item<double>() ==
            doctest::Approx(plain.loss(in, out).item<double>()).epsilon(1e-5));
    }
    CHECK(at::equal(losses[0], losses[1]));
    CHECK(at::allclose(grads[0], grads[1], 1e-5, 1e-7));
  }
}
