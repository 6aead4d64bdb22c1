// Casts and sums, and the table of kernels itself.
#include <fstream>
#include <sstream>

#include "kernels_train/support.h"

namespace lathe::test {

TEST_CASE("train_kernels: there where /proc/cpuinfo has avx512_bf16, null elsewhere") {
  std::ifstream file("/proc/cpuinfo");
  std::stringstream text;
  text << file.rdbuf();
  const bool expected = text.str().find(" avx512_bf16") != std::string::npos;
  CHECK((train_kernels() != nullptr) == expected);
  if (train_kernels() != nullptr) CHECK(std::string(train_kernels()->isa) == "avx512_bf16");
}

TEST_CASE("cast_to_bf16: rounds as Bf16 does, in any range and alignment") {
  const TrainKernels* kernels = kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(3);
  for (const int64_t n : {1, 15, 16, 17, 100, 4096}) {
    for (const int64_t shift : {0, 1, 7}) {
      Buffer<float> x(n, shift);
      Buffer<Bf16> y(n, shift);
      fill_normal(x, rng);
      for (int64_t i = 0; i < n; i += 5) x[i] = std::ldexp(x[i], static_cast<int>(i % 200) - 100);
      x[n / 2] = 1.0f + 1.0f / 256;  // a tie: to even
      kernels->cast_to_bf16(x.data(), y.data(), 0, n / 4);
      kernels->cast_to_bf16(x.data(), y.data(), n / 4, n);
      for (int64_t i = 0; i < n; ++i) REQUIRE(y[i].bits == Bf16(x[i]).bits);
    }
  }
}

TEST_CASE("add_bf16: adds scaled values exactly as f32 does, in any range and alignment") {
  const TrainKernels* kernels = kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(4);
  for (const int64_t n : {1, 15, 16, 17, 100}) {
    for (const int64_t shift : {0, 1, 7}) {
      Buffer<Bf16> x(n, shift);
      Buffer<float> y(n, shift), before(n);
      fill_normal(x, rng);
      fill_normal(y, rng);
      for (int64_t i = 0; i < n; ++i) before[i] = y[i];
      const int64_t begin = n / 5, end = n - n / 7;
      const float scale = shift == 7 ? 0.3f : 1.0f;
      kernels->add_bf16(x.data(), scale, y.data(), begin, end);
      for (int64_t i = 0; i < n; ++i) {
        const bool inside = i >= begin && i < end;
        const float want = std::fma(scale, static_cast<float>(x[i]), before[i]);
        REQUIRE(y[i] == (inside ? want : before[i]));
      }
    }
  }
}

TEST_CASE("add_column_sums: adds the rows of its range to the sums") {
  const TrainKernels* kernels = kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(5);
  constexpr int64_t n = 21;
  for (const int64_t C : {1, 15, 16, 17, 100}) {
    for (const int64_t shift : {0, 3}) {
      for (const auto& [begin, end] : {std::pair{0, 21}, std::pair{3, 4}, std::pair{5, 20}}) {
        Buffer<Bf16> x(n * C, shift);
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

}  // namespace lathe::test
