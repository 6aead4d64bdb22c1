// All finite bf16 inputs go through each activation.
#include "kernels_train/support.h"
#include "support/reference_layers.h"

namespace lathe::test {

namespace {

// Those that are not gated.
std::vector<Activation> plain_activations() {
  std::vector<Activation> list;
  for (const Activation a : kValuesOf<Activation>) {
    if (!is_gated(a)) list.push_back(a);
  }
  return list;
}

std::vector<Bf16> all_finite() {
  std::vector<Bf16> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Bf16 x;
    x.bits = static_cast<uint16_t>(bits);
    if ((bits & 0x7f80) != 0x7f80) all.push_back(x);
  }
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE(
    "activations: every finite bf16 gives the nearest result, within 2 % of a rounding of bf16",
    Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  const std::vector<Bf16> inputs = all_finite();
  const auto n = static_cast<int64_t>(inputs.size());
  Buffer<S> x(n), y(n), dx(n), one(n);
  for (int64_t i = 0; i < n; ++i) {
    x[i] = S(static_cast<float>(inputs[static_cast<size_t>(i)]));
    one[i] = S(1.0f);
  }
  for (const Activation a : plain_activations()) {
    CAPTURE(name_of(a));
    const TrainActivation& run = train_activation(*kernels, name_of(a));
    run.forward(x.data(), y.data(), 1, 0, n);
    run.backward(x.data(), one.data(), dx.data(), 1, 0, n);
    for (int64_t i = 0; i < n; ++i) {
      const double v = value(x[i]), expected = activated(a, v, 1), slope = activation_slope(a, v);
      CAPTURE(v);
      // Gates end at 2^-126; an exponent of f32 loses relative accuracy as it grows.
      const double tiny = 2e-38 * (std::abs(v) + 1) + 1e-6 * std::abs(v * expected);
      REQUIRE(std::abs(value(y[i]) - expected) <= 1.02 * kRounding<S> * std::abs(expected) + tiny);
      // The slope passes through 0 near −0.75, where only the absolute error is small.
      REQUIRE(std::abs(value(dx[i]) - slope) <= 1.02 * kRounding<S> * std::abs(slope) + 4e-6);
    }
  }
}

TEST_CASE("activations: the slopes of these tests are finite differences of the values") {
  for (const Activation a : kValuesOf<Activation>) {
    for (double x = -8; x < 8; x += 0.37) {
      const double step = 1e-5;
      const double difference =
          (activated(a, x + step, 1) - activated(a, x - step, 1)) / (2 * step);
      CHECK(std::abs(activation_slope(a, x) - difference) < 1e-8);
    }
  }
}

TEST_CASE_TEMPLATE(
    "activations: any range and alignment, in place too, and the gradient scales with dy", Table,
    LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(1);
  for (const Activation a : plain_activations()) {
    const TrainActivation& run = train_activation(*kernels, name_of(a));
    for (const int64_t n : {1, 15, 16, 17, 33, 100}) {
      for (const int64_t shift : {0, 1, 5}) {
        Buffer<S> x(n, shift), y(n, shift), dy(n, shift), dx(n, shift);
        fill_normal(x, rng);
        fill_normal(dy, rng);
        const int64_t middle = n / 3;
        run.forward(x.data(), y.data(), 1, 0, middle);
        run.forward(x.data(), y.data(), 1, middle, n);
        run.backward(x.data(), dy.data(), dx.data(), 1, middle, n);
        run.backward(x.data(), dy.data(), dx.data(), 1, 0, middle);
        for (int64_t i = 0; i < n; ++i) {
          const double v = value(x[i]), grad = activation_slope(a, v) * value(dy[i]);
          CHECK(std::abs(value(y[i]) - activated(a, v, 1)) <=
                1.02 * kRounding<S> * std::abs(activated(a, v, 1)));
          CHECK(std::abs(value(dx[i]) - grad) <= 1.02 * kRounding<S> * std::abs(grad) + 2e-5);
        }
        run.backward(x.data(), dy.data(), dy.data(), 1, 0, n);
        CHECK(dy == dx);
        run.forward(x.data(), x.data(), 1, 0, n);
        CHECK(x == y);
      }
    }
  }
}

TEST_CASE_TEMPLATE("swiglu: forward and backward equal the formula, every gate there is", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  const TrainActivation& swiglu = train_activation(*kernels, "swiglu");
  const std::vector<Bf16> gates = all_finite();
  const auto F = static_cast<int64_t>(gates.size());
  Buffer<S> x(2 * F), y(F), dy(F), dx(2 * F);
  for (int64_t f = 0; f < F; ++f) {
    x[f] = S(static_cast<float>(gates[static_cast<size_t>(f)]));
    x[F + f] = S(-1.5f);
    dy[f] = S(0.75f);
  }
  swiglu.forward(x.data(), y.data(), F, 0, 1);
  swiglu.backward(x.data(), dy.data(), dx.data(), F, 0, 1);
  for (int64_t f = 0; f < F; ++f) {
    const double g = value(x[f]);
    if (std::abs(g) > 1e38) continue;  // times 1.5 is past the range
    CAPTURE(g);
    const double silu = g * sigmoid(g);
    const double slope = sigmoid(g) + (g < -700 ? 0 : g * sigmoid(g) * sigmoid(-g));
    const double d_gate = 0.75 * -1.5 * slope;
    REQUIRE(std::abs(value(y[f]) + 1.5 * silu) <=
            1.02 * kRounding<S> * 1.5 * std::abs(silu) + (g < -80 ? std::abs(g) * 3e-38 : 1e-37));
    REQUIRE(std::abs(value(dx[f]) - d_gate) <= 1.02 * kRounding<S> * std::abs(d_gate) + 1e-6);
    REQUIRE(std::abs(value(dx[F + f]) - 0.75 * silu) <=
            1.02 * kRounding<S> * 0.75 * std::abs(silu) + (g < -80 ? std::abs(g) * 3e-38 : 1e-37));
  }
}

TEST_CASE_TEMPLATE("swiglu: rows of any width and alignment, in any split", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  const TrainActivation& swiglu = train_activation(*kernels, "swiglu");
  std::mt19937 rng(2);
  constexpr int64_t n = 4;
  for (const int64_t F : {1, 15, 16, 17, 40}) {
    for (const int64_t shift : {0, 3}) {
      Buffer<S> x(n * 2 * F, shift), y(n * F, shift), dy(n * F, shift), dx(n * 2 * F, shift);
      fill_normal(x, rng, 0, 2);
      fill_normal(dy, rng);
      for (const auto& [begin, end] : {std::pair{1, 4}, std::pair{0, 1}}) {
        swiglu.forward(x.data(), y.data(), F, begin, end);
        swiglu.backward(x.data(), dy.data(), dx.data(), F, begin, end);
      }
      for (int64_t r = 0; r < n; ++r) {
        for (int64_t f = 0; f < F; ++f) {
          const double g = value(x[r * 2 * F + f]), v = value(x[r * 2 * F + F + f]);
          const double grad = value(dy[r * F + f]), s = sigmoid(g);
          const double d_gate = grad * v * (s + g * s * (1 - s)), d_value = grad * g * s;
          const auto near = [](S got, double x_) {
            return std::abs(value(got) - x_) <= 1.02 * kRounding<S> * std::abs(x_) + 1e-6;
          };
          CHECK(near(y[r * F + f], g * s * v));
          CHECK(near(dx[r * 2 * F + f], d_gate));
          CHECK(near(dx[r * 2 * F + F + f], d_value));
        }
      }
    }
  }
}

}  // namespace lathe::test
