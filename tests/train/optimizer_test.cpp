// AdamW against its formula, the schedules against values worked by hand.
#include "train/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "train/init.h"
#include "train/schedule.h"

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
    AdamW optimizer(spec, parameters);
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
      CHECK(optimizer.grad_norm().item<double>() == doctest::Approx(norm).epsilon(1e-5));
      optimizer.step(0.01, optimizer.grad_norm());
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
  AdamW optimizer(spec, parameters);
  parameters.flat_grad.fill_(0.1);
  optimizer.step(0.01, optimizer.grad_norm());
  const at::Tensor value = parameters.flat_value.clone(), first = optimizer.exp_avg.clone();
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL}) {
    parameters.flat_grad[3] = bad;
    optimizer.step(0.01, optimizer.grad_norm());
    CHECK(at::equal(parameters.flat_value, value));
    CHECK(at::equal(optimizer.exp_avg, first));
    CHECK(optimizer.updates.item<double>() == 1);
  }
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
