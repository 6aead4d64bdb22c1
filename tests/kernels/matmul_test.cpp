#include "kernels/matmul.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "kernels/buffer.h"
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

// Weights in panels.
struct Panels {
  Panels(const Kernels& k, DType dtype, const void* w, i64 n_blocks, i64 rows, i64 cols)
      : view{dtype, nullptr, n_blocks, rows, cols},
        buffer(static_cast<size_t>(panel_bytes(k, view))) {
    ThreadPool pool(2);
    pack_panels(k, pool, view, w, buffer.data());
    view.data = buffer.data();
  }
  PanelView view;
  Buffer buffer;
};

struct Case {
  i64 n, n_blocks, rows, cols;
  bool shuffled_in, shuffled_out, bias;
};

// Largest difference from the formula in matmul.h, in units of Σ|w·x|.
double error_of(Matmul& matmul, const Kernels& k, const Case& c, DType dtype) {
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
  const Panels panels(k, dtype, half.empty() ? static_cast<const void*>(w.data()) : half.data(),
                      c.n_blocks, c.rows, c.cols);
  matmul(c.n, x.data(), xl, panels.view, c.bias ? bias.data() : nullptr, y.data(), yl);
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
            REQUIRE(error_of(matmul, kernels(), c, DType::kF32) < 1e-6);
            // With many vectors the activations may be rounded to bf16: 2⁻⁸ each at most.
            REQUIRE(error_of(matmul, kernels(), c, DType::kBf16) <
                    (n <= Matmul::kFewVectors ? 1e-6 : 1.0 / 256));
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
    CHECK(error_of(matmul, kernels_for(isa), {40, 2, 130, 48, true, true, true}, DType::kBf16) <
          1e-6);
  }
}

TEST_CASE("matmul: every class, around the borders of panels, tiles and depths") {
  for (const CpuIsa isa : supported_isas()) {
    CAPTURE(name_of(isa));
    const Kernels& k = kernels_for(isa);
    ThreadPool pool(1);
    Matmul matmul(k, pool);
    for (const i64 rows : {31, 32, 49, 257}) {
      for (const i64 cols : {1, 383, 384, 385, 770}) {
        for (const i64 n : {1, 3, 6, 7, 8, 13, 24, 25, 193}) {
          CAPTURE(rows);
          CAPTURE(cols);
          CAPTURE(n);
          const Case c{n, 1, rows, cols, false, false, true};
          REQUIRE(error_of(matmul, k, c, DType::kF32) < 1e-6);
          REQUIRE(error_of(matmul, k, c, DType::kBf16) < 1.0 / 256);
        }
      }
    }
  }
}

TEST_CASE(
    "matmul: a vector's result is the same bits, whatever goes with it on however many threads") {
  for (const CpuIsa isa : supported_isas()) {
    if (isa >= CpuIsa::kAvx512Bf16) continue;  // the tables are the same but for bf16
    CAPTURE(name_of(isa));
    const Kernels& k = kernels_for(isa);
    const i64 rows = 150, cols = 901, n = 230;
    const auto x = normals(n * cols, 2), bias = normals(rows, 3), w = normals(rows * cols, 1);
    std::vector<Bf16> half;
    std::vector<float> rounded;
    for (const float v : w) rounded.push_back(static_cast<float>(half.emplace_back(v)));
    const Panels bf16(k, DType::kBf16, half.data(), 1, rows, cols);
    const Panels f32(k, DType::kF32, rounded.data(), 1, rows, cols);
    ThreadPool one(1);
    Matmul alone(k, one);
    std::vector<float> want(static_cast<size_t>(n * rows)), y(want.size());
    for (i64 t = 0; t < n; ++t) {
      alone(1, x.data() + t * cols, f32.view, bias.data(), want.data() + t * rows);
    }
    for (const int threads : {1, 3}) {
      ThreadPool pool(threads);
      Matmul matmul(k, pool);
      for (const Panels* panels : {&f32, &bf16}) {
        for (const i64 together : {2, 5, 8, 17, 230}) {
          std::fill(y.begin(), y.end(), 0.0f);
          for (i64 t = 0; t < n; t += together) {
            matmul(std::min(together, n - t), x.data() + t * cols, panels->view, bias.data(),
                   y.data() + t * rows);
          }
          CAPTURE(threads);
          CAPTURE(together);
          CHECK(y == want);
        }
      }
    }
  }
}

TEST_CASE("panels: rows come back as they were, of any shape") {
  for (const CpuIsa isa : supported_isas()) {
    CAPTURE(name_of(isa));
    const Kernels& k = kernels_for(isa);
    for (const auto& [rows, cols] : {std::pair<i64, i64>{1, 1}, {7, 33}, {130, 64}, {65, 17}}) {
      const auto w = normals(rows * cols, 1);
      std::vector<Bf16> half;
      for (const float v : w) half.emplace_back(v);
      const Panels f32(k, DType::kF32, w.data(), 1, rows, cols);
      const Panels bf16(k, DType::kBf16, half.data(), 1, rows, cols);
      std::vector<float> row(static_cast<size_t>(cols));
      for (i64 r = 0; r < rows; ++r) {
        read_panel_row(k, f32.view, r, row.data());
        CHECK(std::equal(row.begin(), row.end(), w.begin() + r * cols));
        read_panel_row(k, bf16.view, r, row.data());
        for (i64 c = 0; c < cols; ++c) {
          CHECK(row[static_cast<size_t>(c)] ==
                static_cast<float>(half[static_cast<size_t>(r * cols + c)]));
        }
      }
    }
  }
}

TEST_CASE("panels: products by the CPU's own bf16 equal those of rounded activations") {
  if (supported_isas().back() < CpuIsa::kAvx512Bf16) {
    MESSAGE("skipped: this CPU has no avx512_bf16");
    return;
  }
  const Kernels& k = kernels_for(CpuIsa::kAvx512Bf16);
  const PanelKernels& p = panel_kernels(k, DType::kBf16);
  for (const auto& [rows, cols] : {std::pair<i64, i64>{1, 1}, {17, 33}, {300, 1538}}) {
    for (const i64 n : {1, 11, 12, 13, 40}) {
      const i64 width = cols + cols % 2;
      std::vector<Bf16> w, x(static_cast<size_t>(n * width));
      for (const float v : normals(rows * cols, 1)) w.emplace_back(v);
      const auto values = normals(n * cols, 2), bias = normals(rows, 3);
      for (i64 i = 0; i < n * cols; ++i) {
        x[static_cast<size_t>(i / cols * width + i % cols)] = Bf16(values[static_cast<size_t>(i)]);
      }
      const Panels panels(k, DType::kBf16, w.data(), 1, rows, cols);
      std::vector<float> y(static_cast<size_t>(n * rows));
      p.multiply_bf16({.panels = panels.view.data,
                       .rows = rows,
                       .cols = cols,
                       .x = x.data(),
                       .ldx = width,
                       .n = n,
                       .bias = bias.data(),
                       .y = y.data(),
                       .ldy = rows},
                      0, (rows + p.panel_rows - 1) / p.panel_rows);
      for (i64 t = 0; t < n; ++t) {
        for (i64 r = 0; r < rows; ++r) {
          double want = static_cast<double>(bias[static_cast<size_t>(r)]), size = std::abs(want);
          for (i64 c = 0; c < cols; ++c) {
            const double term =
                static_cast<double>(static_cast<float>(w[static_cast<size_t>(r * cols + c)])) *
                static_cast<double>(static_cast<float>(x[static_cast<size_t>(t * width + c)]));
            want += term;
            size += std::abs(term);
          }
          REQUIRE(std::abs(static_cast<double>(y[static_cast<size_t>(t * rows + r)]) - want) <
                  1e-6 * size);
        }
      }
    }
  }
}

TEST_CASE("matmul: no vectors, rows or columns") {
  ThreadPool pool(2);
  Matmul matmul(kernels(), pool);
  CHECK(error_of(matmul, kernels(), {0, 1, 5, 5, false, false, true}, DType::kF32) == 0);
  CHECK(error_of(matmul, kernels(), {3, 1, 0, 5, false, false, true}, DType::kF32) == 0);
  CHECK(error_of(matmul, kernels(), {3, 1, 5, 0, false, false, true}, DType::kF32) == 0);
  CHECK(error_of(matmul, kernels(), {9, 1, 5, 0, false, true, true}, DType::kF32) == 0);
}

}  // namespace
}  // namespace lathe
