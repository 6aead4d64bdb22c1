#include "kernels/kernels.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "base/dtype.h"
#include "base/error.h"
#include "base/rng.h"
#include "kernels/dispatch.h"
#include "support/reference_layers.h"

namespace lathe {
namespace {

constexpr i64 kMaxSize = 70;  // more than four vectors of the widest set
constexpr i64 kGuard = 20;    // values behind a result that must stay as they were

// n values at an address that is `shift` floats off any alignment, and a guard behind them.
class Values {
 public:
  Values(i64 n, i64 shift, uint64_t seed, double scale = 1)
      : n_(n), shift_(shift), all_(static_cast<size_t>(n + shift + kGuard), 77.0f) {
    const Random random(seed, RandomUse::kInit);
    for (i64 i = 0; i < n; ++i) {
      data()[i] = static_cast<float>(random.normal(static_cast<uint64_t>(i)) * scale);
    }
  }
  float* data() { return all_.data() + shift_; }
  float operator[](i64 i) { return data()[i]; }
  bool guard_is_whole() const {
    for (i64 i = 0; i < kGuard; ++i) {
      if (all_[static_cast<size_t>(shift_ + n_ + i)] != 77.0f) return false;
    }
    return true;
  }

 private:
  i64 n_, shift_;
  std::vector<float> all_;
};

std::vector<uint16_t> narrow(const float* x, i64 n) {
  std::vector<uint16_t> out;
  for (i64 i = 0; i < n; ++i) out.push_back(Bf16(x[i]).bits);
  return out;
}

double value(uint16_t bits) {
  Bf16 x;
  x.bits = bits;
  return static_cast<double>(static_cast<float>(x));
}

// Calls f(kernels, n, shift) for every table this CPU runs, every size, and some misalignments.
void sweep(const std::function<void(const Kernels&, i64 n, i64 shift)>& f) {
  for (const CpuIsa isa : supported_isas()) {
    CAPTURE(name_of(isa));
    for (i64 n = 0; n <= kMaxSize; ++n) {
      CAPTURE(n);
      for (const i64 shift : {0, 1, 3}) f(kernels_for(isa), n, shift);
    }
  }
}

TEST_CASE("kernels: gemv equals a sum in double, for any size, stride and alignment") {
  sweep([](const Kernels& k, i64 cols, i64 shift) {
    for (const i64 n : {1, 2, 3, 4, 7}) {
      const i64 rows = 5, ldw = cols + 2, ldx = cols + 1, step = 2, ldy = rows * step + 3;
      Values w(rows * ldw, shift, 1), x(n * ldx, shift, 2), bias(rows * step, shift, 3);
      Values y(n * ldy, shift, 4), z(n * ldy, shift, 4);
      const auto half = narrow(w.data(), rows * ldw);
      const GemvShape shape{rows, cols, ldw, n, ldx, ldy, step};
      stored_kernels(k, DType::kF32).gemv(w.data(), x.data(), bias.data(), y.data(), shape);
      stored_kernels(k, DType::kBf16).gemv(half.data(), x.data(), nullptr, z.data(), shape);
      for (i64 t = 0; t < n; ++t) {
        for (i64 r = 0; r < rows; ++r) {
          double want = bias[r * step], want_half = 0, size = std::abs(want), size_half = 0;
          for (i64 c = 0; c < cols; ++c) {
            const double a = static_cast<double>(x[t * ldx + c]);
            const double b = static_cast<double>(w[r * ldw + c]);
            const double h = value(half[static_cast<size_t>(r * ldw + c)]);
            want += a * b;
            want_half += a * h;
            size += std::abs(a * b);
            size_half += std::abs(a * h);
          }
          REQUIRE(std::abs(static_cast<double>(y[t * ldy + r * step]) - want) <= 1e-6 * size);
          REQUIRE(std::abs(static_cast<double>(z[t * ldy + r * step]) - want_half) <=
                  1e-6 * size_half);
        }
      }
      REQUIRE(y.guard_is_whole());
      REQUIRE(z.guard_is_whole());
    }
  });
}

TEST_CASE("kernels: a gemv result does not depend on how many rows or vectors go together") {
  for (const CpuIsa isa : supported_isas()) {
    CAPTURE(name_of(isa));
    const Kernels& k = kernels_for(isa);
    const i64 rows = 9, cols = 133, n = 7;
    Values w(rows * cols, 1, 1), x(n * cols, 1, 2), together(n * rows, 0, 3), one(1, 0, 3);
    stored_kernels(k, DType::kF32)
        .gemv(w.data(), x.data(), nullptr, together.data(), {rows, cols, cols, n, cols, rows, 1});
    for (i64 t = 0; t < n; ++t) {
      for (i64 r = 0; r < rows; ++r) {
        stored_kernels(k, DType::kF32)
            .gemv(w.data() + r * cols, x.data() + t * cols, nullptr, one.data(),
                  {1, cols, cols, 1, cols, rows, 1});
        CHECK(one[0] == together[t * rows + r]);
      }
    }
  }
}

TEST_CASE("kernels: weighted rows equal a sum in double") {
  sweep([](const Kernels& k, i64 cols, i64 shift) {
    for (const i64 rows : {0, 1, 6}) {
      const i64 n = 2, ldw = cols + 1, ldx = rows + 1, ldy = cols + 3;
      Values w(rows * ldw, shift, 1), x(n * ldx, shift, 2);
      Values y((n - 1) * ldy + cols, shift, 3), z((n - 1) * ldy + cols, shift, 3);
      const auto half = narrow(w.data(), rows * ldw);
      const GemvShape shape{rows, cols, ldw, n, ldx, ldy, 1};
      stored_kernels(k, DType::kF32).weighted_rows(w.data(), x.data(), y.data(), shape);
      stored_kernels(k, DType::kBf16).weighted_rows(half.data(), x.data(), z.data(), shape);
      for (i64 t = 0; t < n; ++t) {
        for (i64 c = 0; c < cols; ++c) {
          double want = 0, want_half = 0, size = 0;
          for (i64 r = 0; r < rows; ++r) {
            const double a = static_cast<double>(x[t * ldx + r]);
            want += a * static_cast<double>(w[r * ldw + c]);
            want_half += a * value(half[static_cast<size_t>(r * ldw + c)]);
            size += std::abs(a * static_cast<double>(w[r * ldw + c]));
          }
          REQUIRE(std::abs(static_cast<double>(y[t * ldy + c]) - want) <= 1e-6 * size);
          REQUIRE(std::abs(static_cast<double>(z[t * ldy + c]) - want_half) <= 2e-6 * size);
        }
      }
      REQUIRE(y.guard_is_whole());
      REQUIRE(z.guard_is_whole());
    }
  });
}

TEST_CASE("kernels: every norm of a spec equals its formula in double, with a bias or without") {
  sweep([](const Kernels& k, i64 n, i64 shift) {
    for (const NormKind norm : kValuesOf<NormKind>) {
      CAPTURE(name_of(norm));
      Values x(n, shift, 1, 3), w(n, shift, 2), b(n, shift, 3);
      Values plain(n, shift, 4), shifted(n, shift, 4);
      const auto run = norm_kernel(k, name_of(norm)).run;
      run(x.data(), w.data(), nullptr, 1e-5f, plain.data(), n);
      if (is_centred(norm)) run(x.data(), w.data(), b.data(), 1e-5f, shifted.data(), n);
      const auto want = test::normalised(norm, {x.data(), x.data() + n}, 1e-5);
      for (i64 i = 0; i < n; ++i) {
        const double y = want[static_cast<size_t>(i)] * static_cast<double>(w[i]);
        REQUIRE(std::abs(static_cast<double>(plain[i]) - y) < 2e-5);
        if (!is_centred(norm)) continue;
        REQUIRE(std::abs(static_cast<double>(shifted[i]) - y - static_cast<double>(b[i])) < 2e-5);
      }
      REQUIRE((plain.guard_is_whole() && shifted.guard_is_whole()));
    }
  });
}

TEST_CASE("kernels: every activation of a spec equals its formula, in place too, −100 to 100") {
  sweep([](const Kernels& k, i64 n, i64 shift) {
    for (const double scale : {0.01, 1.0, 30.0}) {
      for (const Activation activation : kValuesOf<Activation>) {
        CAPTURE(name_of(activation));
        const i64 width = is_gated(activation) ? 2 * n : n;
        Values x(width, shift, 1, scale), in_place(width, shift, 1, scale), y(n, shift, 3);
        const auto run = activation_kernel(k, name_of(activation)).run;
        run(x.data(), y.data(), n);
        if (!is_gated(activation)) run(in_place.data(), in_place.data(), n);
        for (i64 i = 0; i < n; ++i) {
          const double a = static_cast<double>(x[i]);
          const double v = is_gated(activation) ? static_cast<double>(x[n + i]) : 1;
          REQUIRE(std::abs(static_cast<double>(y[i]) - test::activated(activation, a, v)) <
                  4e-6 * std::max(1.0, std::abs(a)) * std::max(1.0, std::abs(v)));
          if (!is_gated(activation)) REQUIRE(in_place[i] == y[i]);
        }
        REQUIRE((in_place.guard_is_whole() && y.guard_is_whole()));
      }
    }
  });
}

TEST_CASE("kernels: softmax and log-sum-exp equal their formulas, for large values too") {
  sweep([](const Kernels& k, i64 n, i64 shift) {
    for (const double spread : {1.0, 100.0}) {
      Values x(n, shift, 1, spread), y(n, shift, 1, spread);
      k.softmax(y.data(), 0.5f, n);
      REQUIRE(y.guard_is_whole());
      if (n == 0) return;
      double top = -1e30, sum = 0, plain = 0, total = 0;
      for (i64 i = 0; i < n; ++i) top = std::max(top, static_cast<double>(x[i]));
      for (i64 i = 0; i < n; ++i) {
        sum += std::exp(0.5 * (static_cast<double>(x[i]) - top));
        plain += std::exp(static_cast<double>(x[i]) - top);
      }
      for (i64 i = 0; i < n; ++i) {
        const double want = std::exp(0.5 * (static_cast<double>(x[i]) - top)) / sum;
        REQUIRE(std::abs(static_cast<double>(y[i]) - want) < 1e-6);
        total += static_cast<double>(y[i]);
      }
      REQUIRE(std::abs(total - 1) < 1e-5);
      REQUIRE(std::abs(k.log_sum_exp(x.data(), n) - (top + std::log(plain))) < 1e-5);
    }
  });
}

TEST_CASE("kernels: rope, axpy and the bf16 conversions") {
  sweep([](const Kernels& k, i64 n, i64 shift) {
    Values x(2 * n, shift, 1), before(2 * n, shift, 1), c(n, shift, 2), s(n, shift, 3);
    k.rope(x.data(), c.data(), s.data(), n);
    for (i64 i = 0; i < n; ++i) {
      REQUIRE(x[i] == doctest::Approx(before[i] * c[i] - before[n + i] * s[i]).epsilon(1e-5));
      REQUIRE(x[n + i] == doctest::Approx(before[n + i] * c[i] + before[i] * s[i]).epsilon(1e-5));
    }
    Values y(n, shift, 4), sum(n, shift, 4);
    k.axpy(0.5f, before.data(), sum.data(), n);
    for (i64 i = 0; i < n; ++i) {
      REQUIRE(sum[i] == doctest::Approx(y[i] + 0.5f * before[i]).epsilon(1e-6));
    }
    std::vector<uint16_t> half(static_cast<size_t>(n + 1), 0x1234);
    stored_kernels(k, DType::kBf16).narrow(y.data(), half.data(), n);
    Values wide(n, shift, 5);
    stored_kernels(k, DType::kBf16).widen(half.data(), wide.data(), n);
    for (i64 i = 0; i < n; ++i) {
      REQUIRE(half[static_cast<size_t>(i)] == Bf16(y[i]).bits);
      REQUIRE(wide[i] == static_cast<float>(Bf16(y[i])));
    }
    REQUIRE(half.back() == 0x1234);
    REQUIRE((x.guard_is_whole() && sum.guard_is_whole() && wide.guard_is_whole()));
  });
}

TEST_CASE("kernels: bf16 keeps infinities and NaN, and rounds ties to even") {
  const float special[] = {0.0f,         -0.0f,       INFINITY,     -INFINITY, NAN,      3.4e38f,
                           1.00390625f,  1.01171875f, -1.0f / 3.0f, 1e-40f,    65536.0f, 1.0f,
                           -1.00390625f, 2.5f,        7.0f,         -NAN};
  for (const CpuIsa isa : supported_isas()) {
    CAPTURE(name_of(isa));
    uint16_t out[16];
    stored_kernels(kernels_for(isa), DType::kBf16).narrow(special, out, 16);
    for (int i = 0; i < 16; ++i) {
      CAPTURE(i);
      const bool subnormal = special[i] == 1e-40f;
      CHECK((out[i] == Bf16(special[i]).bits || (subnormal && out[i] == 0)));
    }
  }
}

TEST_CASE("dispatch: each class has its table, and one of them multiplies bf16") {
  for (const CpuIsa isa : supported_isas()) {
    CHECK(kernels_for(isa).isa == name_of(isa));
    const bool has_bf16 = panel_kernels(kernels_for(isa), DType::kBf16).multiply_bf16 != nullptr;
    CHECK(has_bf16 == (isa == CpuIsa::kAvx512Bf16));
  }
}

TEST_CASE("dispatch: LATHE_CPU_ISA forces the table it names") {
  // The table is chosen once in a process; ctest runs this file again for each name.
  const char* forced = std::getenv("LATHE_CPU_ISA");
  CHECK(kernels().isa == (forced && *forced ? forced : name_of(supported_isas().back())));
}

}  // namespace
}  // namespace lathe
