// Casts and sums, and the table of kernels itself.
#include <fstream>
#include <sstream>

#include "kernels_train/support.h"

namespace lathe::test {

TEST_CASE("train_kernels: a table for each storage in every class that /proc/cpuinfo shows") {
  std::ifstream file("/proc/cpuinfo");
  std::stringstream text;
  text << file.rdbuf();
  const auto has = [&](const char* flag) { return text.str().find(flag) != std::string::npos; };
  size_t expected = 0;
  if (has(" avx2 ")) expected += 2;
  if (has(" avx512dq ")) expected += 2;
  if (has(" avx512_bf16 ")) expected += 2;
  CHECK(supported_train_kernels().size() == expected);
  for (const TrainKernels* table : supported_train_kernels()) {
    CHECK((table->storage == DType::kF32 || table->storage == DType::kBf16));
  }
  CHECK(train_kernels(DType::kF16) == nullptr);
}

TEST_CASE_TEMPLATE("cast_to_bf16: rounds as Bf16 does, in any range and alignment", Table,
                   LATHE_TABLES) {
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(3);
  for (const int64_t n : {1, 15, 16, 17, 100, 4096}) {
    for (const int64_t shift : {0, 1, 7}) {
      Buffer<float> x(n, shift);
      Buffer<uint16_t> y(n, shift);
      fill_normal(x, rng);
      for (int64_t i = 0; i < n; i += 5) x[i] = std::ldexp(x[i], static_cast<int>(i % 200) - 100);
      x[n / 2] = 1.0f + 1.0f / 256;  // a tie: to even
      kernels->cast_to_bf16(x.data(), y.data(), 0, n / 4);
      kernels->cast_to_bf16(x.data(), y.data(), n / 4, n);
      for (int64_t i = 0; i < n; ++i) REQUIRE(y[i] == Bf16(x[i]).bits);
    }
  }
}

TEST_CASE_TEMPLATE("add_scaled: adds scaled values exactly as f32 does, in any range and alignment",
                   Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(4);
  for (const int64_t n : {1, 15, 16, 17, 100}) {
    for (const int64_t shift : {0, 1, 7}) {
      Buffer<S> x(n, shift);
      Buffer<float> y(n, shift), before(n);
      fill_normal(x, rng);
      fill_normal(y, rng);
      for (int64_t i = 0; i < n; ++i) before[i] = y[i];
      const int64_t begin = n / 5, end = n - n / 7;
      const float scale = shift == 7 ? 0.3f : 1.0f;
      kernels->add_scaled(x.data(), scale, y.data(), begin, end);
      for (int64_t i = 0; i < n; ++i) {
        const bool inside = i >= begin && i < end;
        const float want = std::fma(scale, static_cast<float>(x[i]), before[i]);
        REQUIRE(y[i] == (inside ? want : before[i]));
      }
    }
  }
}

TEST_CASE_TEMPLATE("add_column_sums: adds the rows of its range to the sums", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(5);
  constexpr int64_t n = 21;
  for (const int64_t C : {1, 15, 16, 17, 100}) {
    for (const int64_t shift : {0, 3}) {
      for (const auto& [begin, end] : {std::pair{0, 21}, std::pair{3, 4}, std::pair{5, 20}}) {
        Buffer<S> x(n * C, shift);
        Buffer<float> sums(C, shift);
        fill_normal(x, rng);
        for (int64_t c = 0; c < C; ++c) sums[c] = 0.25f;
        std::vector<double> expected(static_cast<size_t>(C), 0.25), bound(expected);
        for (int64_t c = 0; c < C; ++c) {
          const auto at = static_cast<size_t>(c);
          for (int64_t r = begin; r < end; ++r) {
            expected[at] += value(x[r * C + c]);
            bound[at] += std::abs(value(x[r * C + c]));
          }
          bound[at] *= 1e-6;
        }
        kernels->add_column_sums(x.data(), C, sums.data(), begin, end);
        check_close("sums", sums, expected, bound);
      }
    }
  }
}

TEST_CASE_TEMPLATE("adamw: updates equal its formulas in double, in any range and alignment", Table,
                   LATHE_TABLES) {
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(6);
  for (const int64_t n : {1, 15, 16, 17, 100}) {
    for (const int64_t shift : {0, 1, 7}) {
      Buffer<float> w(n, shift), g(n, shift), m(n, shift), v(n, shift);
      Buffer<uint16_t> rounded(n, shift);
      fill_normal(w, rng);
      fill_normal(g, rng);
      fill_normal(m, rng, 0, 0.1f);
      fill_normal(v, rng, 1, 0.2f);
      for (int64_t i = 0; i < n; ++i) v[i] = std::abs(v[i]);
      std::vector<double> want_w, want_m, want_v, bound(static_cast<size_t>(n), 2e-6);
      AdamW a;
      a.lr = 0.01f, a.beta1 = 0.9f, a.beta2 = 0.95f, a.eps = 1e-3f, a.weight_decay = 0.1f;
      a.correction1 = 0.271f, a.correction2 = 0.142625f, a.grad_scale = 0.4f;
      for (int64_t i = 0; i < n; ++i) {
        const double grad = g[i] * 0.4;
        want_m.push_back(0.9 * m[i] + 0.1 * grad);
        want_v.push_back(0.95 * v[i] + 0.05 * grad * grad);
        const double step = want_m.back() / 0.271 / (std::sqrt(want_v.back() / 0.142625) + 1e-3);
        want_w.push_back(w[i] * (1 - 0.01 * 0.1) - 0.01 * step);
      }
      a.value = w.data(), a.grad = g.data(), a.exp_avg = m.data(), a.exp_avg_sq = v.data();
      a.rounded = shift == 7 ? nullptr : rounded.data();
      kernels->adamw(a, n / 3, n);
      kernels->adamw(a, 0, n / 3);
      check_close("w", w, want_w, bound);
      check_close("m", m, want_m, bound);
      check_close("v", v, want_v, bound);
      for (int64_t i = 0; i < n && shift != 7; ++i) CHECK(rounded[i] == Bf16(w[i]).bits);
    }
  }
}

}  // namespace lathe::test
