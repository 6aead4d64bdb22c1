// All finite bf16 inputs go through each activation.
#include "kernels_train/support.h"

namespace lathe::test {

namespace {

struct Activation {
  const char* name;
  void (*TrainKernels::*forward)(const void*, void*, int64_t, int64_t);
  void (*TrainKernels::*backward)(const void*, const void*, void*, int64_t, int64_t);
  double (*value)(double);
  double (*slope)(double);
};

constexpr double kPi = 3.14159265358979323846;

// ½ (1 + tanh u) = 1 / (1 + e^−2u), which loses nothing for negative u.
double half_tanh(double u) { return 1 / (1 + std::exp(-2 * u)); }
double gelu_tanh(double x) {
  return x * half_tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x));
}
double gelu_tanh_slope(double x) {
  const double s = half_tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x));
  const double rest = half_tanh(-std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x));
  const double steep = 2 * s * rest;
  return s + (steep == 0 ? 0 : x * steep * std::sqrt(2 / kPi) * (1 + 3 * 0.044715 * x * x));
}
double gelu(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double gelu_slope(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * kPi);
}

constexpr Activation kActivations[] = {
    {"gelu_tanh", &TrainKernels::gelu_tanh, &TrainKernels::gelu_tanh_backward, gelu_tanh,
     gelu_tanh_slope},
    {"gelu", &TrainKernels::gelu, &TrainKernels::gelu_backward, gelu, gelu_slope},
};

std::vector<Bf16> all_finite() {
  std::vector<Bf16> all;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Bf16 x;
    x.bits = static_cast<uint16_t>(bits);
    if ((bits & 0x7f80) != 0x7f80) all.push_back(x);
  }
  return all;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

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
  for (const Activation& a : kActivations) {
    CAPTURE(a.name);
    (kernels->*a.forward)(x.data(), y.data(), 0, n);
    (kernels->*a.backward)(x.data(), one.data(), dx.data(), 0, n);
    for (int64_t i = 0; i < n; ++i) {
      const double v = value(x[i]), expected = a.value(v), slope = a.slope(v);
      CAPTURE(v);
      // Gates end at 2^-126; an exponent of f32 loses relative accuracy as it grows.
      const double tiny = 2e-38 * (std::abs(v) + 1) + 1e-6 * std::abs(v * expected);
      REQUIRE(std::abs(value(y[i]) - expected) <= 1.02 * kRounding<S> * std::abs(expected) + tiny);
      // The slope passes through 0 near −0.75, where only the absolute error is small.
      REQUIRE(std::abs(value(dx[i]) - slope) <= 1.02 * kRounding<S> * std::abs(slope) + 4e-6);
    }
  }
}

TEST_CASE("activations: the slopes of this test are finite differences of the values") {
  for (const Activation& a : kActivations) {
    for (double x = -8; x < 8; x += 0.37) {
      const double step = 1e-5;
      const double difference = (a.value(x + step) - a.value(x - step)) / (2 * step);
      CHECK(std::abs(a.slope(x) - difference) < 1e-8);
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
  for (const Activation& a : kActivations) {
    for (const int64_t n : {1, 15, 16, 17, 33, 100}) {
      for (const int64_t shift : {0, 1, 5}) {
        Buffer<S> x(n, shift), y(n, shift), dy(n, shift), dx(n, shift);
        fill_normal(x, rng);
        fill_normal(dy, rng);
        const int64_t middle = n / 3;
        (kernels->*a.forward)(x.data(), y.data(), 0, middle);
        (kernels->*a.forward)(x.data(), y.data(), middle, n);
        (kernels->*a.backward)(x.data(), dy.data(), dx.data(), middle, n);
        (kernels->*a.backward)(x.data(), dy.data(), dx.data(), 0, middle);
        for (int64_t i = 0; i < n; ++i) {
          const double v = value(x[i]), grad = a.slope(v) * value(dy[i]);
          CHECK(std::abs(value(y[i]) - a.value(v)) <= 1.02 * kRounding<S> * std::abs(a.value(v)));
          CHECK(std::abs(value(dx[i]) - grad) <= 1.02 * kRounding<S> * std::abs(grad) + 2e-5);
        }
        (kernels->*a.backward)(x.data(), dy.data(), dy.data(), 0, n);
        CHECK(dy == dx);
        (kernels->*a.forward)(x.data(), x.data(), 0, n);
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
  const std::vector<Bf16> gates = all_finite();
  const auto F = static_cast<int64_t>(gates.size());
  Buffer<S> x(2 * F), y(F), dy(F), dx(2 * F);
  for (int64_t f = 0; f < F; ++f) {
    x[f] = S(static_cast<float>(gates[static_cast<size_t>(f)]));
    x[F + f] = S(-1.5f);
    dy[f] = S(0.75f);
  }
  kernels->swiglu(x.data(), y.data(), F, 0, 1);
  kernels->swiglu_backward(x.data(), dy.data(), dx.data(), F, 0, 1);
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
  std::mt19937 rng(2);
  constexpr int64_t n = 4;
  for (const int64_t F : {1, 15, 16, 17, 40}) {
    for (const int64_t shift : {0, 3}) {
      Buffer<S> x(n * 2 * F, shift), y(n * F, shift), dy(n * F, shift), dx(n * 2 * F, shift);
      fill_normal(x, rng, 0, 2);
      fill_normal(dy, rng);
      for (const auto& [begin, end] : {std::pair{1, 4}, std::pair{0, 1}}) {
        kernels->swiglu(x.data(), y.data(), F, begin, end);
        kernels->swiglu_backward(x.data(), dy.data(), dx.data(), F, begin, end);
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
