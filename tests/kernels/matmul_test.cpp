#include "kernels/matmul.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "kernels/dispatch.h"

namespace lathe {
namespace {

std::vector<float> normals(i64 n, uint64_t seed) {
  const Random random(seed, RandomUse::kInit);
  std::vector<float> out;
  for (i64 i = 0; i < n; ++i) {
    out.push_back(static_cast<float>(random.normal(static_cast<uint64_t>(i))));
  }
  return out;
}

struct Case {
  i64 n, n_blocks, rows, cols;
  bool shuffled_in, shuffled_out, bias;
};

// Largest difference from the formula in matmul.h, in units of Σ|w·x|.
double error_of(Matmul& matmul, const Case& c, DType dtype) {
  const i64 in = c.n_blocks * c.cols, out = c.n_blocks * c.rows;
  const Layout xl = c.shuffled_in ? Layout{in + 3, 1, c.n_blocks} : Layout{in + 3, c.cols, 1};
  const Layout yl = c.shuffled_out ? Layout{out + 5, 1, c.n_blocks} : Layout{out + 5, c.rows, 1};
  auto w = normals(out * c.cols, 1);
  const auto x = normals(c.n * xl.row, 2), bias = normals(out, 3);
  std::vector<Bf16> half;
  if (dtype == DType::kBf16) {
    for (float& v : w) {
      half.emplace_back(v);
      v = static_cast<float>(half.back());
    }
  }
  std::vector<float> y(static_cast<size_t>(c.n * yl.row), 77.0f);
  const WeightView view{dtype, half.empty() ? static_cast<const void*>(w.data()) : half.data(),
                        c.n_blocks, c.rows, c.cols};
  matmul(c.n, x.data(), xl, view, c.bias ? bias.data() : nullptr, y.data(), yl);
  double worst = 0;
  std::vector<char> written(y.size(), 0);
  for (i64 t = 0; t < c.n; ++t) {
    for (i64 b = 0; b < c.n_blocks; ++b) {
      for (i64 r = 0; r < c.rows; ++r) {
        const i64 place = b * yl.block + r * yl.step;
        double want = c.bias ? static_cast<double>(bias[static_cast<size_t>(place)]) : 0.0;
        double size = std::abs(want) + 1e-30;
        for (i64 i = 0; i < c.cols; ++i) {
          const double term =
              static_cast<double>(w[static_cast<size_t>((b * c.rows + r) * c.cols + i)]) *
              static_cast<double>(x[static_cast<size_t>(t * xl.row + b * xl.block + i * xl.step)]);
          want += term;
          size += std::abs(term);
        }
        const size_t at = static_cast<size_t>(t * yl.row + place);
        written[at] = 1;
        worst = std::max(worst, std::abs(static_cast<double>(y[at]) - want) / size);
      }
    }
  }
  for (size_t i = 0; i < y.size(); ++i) {
    if (!written[i]) REQUIRE(y[i] == 77.0f);
  }
  return worst;
}

TEST_CASE("matmul: equals the formula for every layout, type and number of vectors") {
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    Matmul matmul(kernels(), pool);
    for (const i64 n : {1, 2, 8, 9, 33, 70}) {
      for (const i64 n_blocks : {1, 2, 3}) {
        for (const auto& [rows, cols] : {std::pair<i64, i64>{1, 1}, {7, 33}, {130, 64}, {65, 17}}) {
          for (int bits = 0; bits < 8; ++bits) {
            const Case c{
                n, n_blocks, rows, cols, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
            CAPTURE(threads);
            CAPTURE(n);
            CAPTURE(n_blocks);
            CAPTURE(rows);
            CAPTURE(bits);
            REQUIRE(error_of(matmul, c, DType::kF32) < 1e-6);
            // With many vectors the activations may be rounded to bf16: 2⁻⁸ each at most.
            REQUIRE(error_of(matmul, c, DType::kBf16) <
                    (n <= Matmul::kGemvVectors ? 1e-6 : 1.0 / 256));
          }
        }
      }
    }
  }
}

TEST_CASE("matmul: bf16 weights without a bf16 instruction are exact in f32") {
  for (const CpuIsa isa : supported_isas()) {
    if (isa >= CpuIsa::kAvx512Bf16) continue;
    CAPTURE(name_of(isa));
    ThreadPool pool(2);
    Matmul matmul(kernels_for(isa), pool);
    CHECK(error_of(matmul, {40, 2, 130, 48, true, true, true}, DType::kBf16) < 1e-6);
  }
}

TEST_CASE("matmul: no vectors, rows or columns") {
  ThreadPool pool(2);
  Matmul matmul(kernels(), pool);
  CHECK(error_of(matmul, {0, 1, 5, 5, false, false, true}, DType::kF32) == 0);
  CHECK(error_of(matmul, {3, 1, 0, 5, false, false, true}, DType::kF32) == 0);
}

}  // namespace
}  // namespace lathe
