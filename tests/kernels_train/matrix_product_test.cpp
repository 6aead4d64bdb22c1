// The matrix products of the linears, against sums in double.
#include "kernels_train/support.h"

namespace lathe::test {

namespace {

// (rows, columns) elements in one of the layouts that operands come in.
template <class S>
struct Matrix {
  Matrix(int64_t rows, int64_t columns, bool by_rows, std::mt19937& rng)
      : row_stride(by_rows ? columns + 3 : 1),
        column_stride(by_rows ? 1 : rows + 5),
        values(by_rows ? rows * (columns + 3) - 3 : columns * (rows + 5) - 5, 1) {
    fill_normal(values, rng);
  }
  double at(int64_t r, int64_t c) const {
    return value(values[r * row_stride + c * column_stride]);
  }
  int64_t row_stride, column_stride;
  Buffer<S> values;
};

struct Shape {
  int64_t m, n, k;
};

// What a run in two ranges of rows and two of panels gives, in a C with gaps between its rows.
template <class S>
void check_product(const TrainKernels& kernels, const Shape& shape, bool a_by_rows, bool b_by_rows,
                   float alpha, float beta, bool with_bias, std::mt19937& rng) {
  const auto [m, n, k] = shape;
  const Matrix<S> a(m, k, a_by_rows, rng), b(k, n, b_by_rows, rng);
  const int64_t c_stride = n + 7, panels = (n + kernels.product_panel - 1) / kernels.product_panel;
  Buffer<float> c(m * c_stride - 7, 2), before(m * c_stride - 7), bias(n, 3);
  Buffer<float> packed(panels * k * kernels.product_panel);
  Buffer<char> scratch(kernels.product_scratch_bytes, 5);
  fill_normal(before, rng);
  fill_normal(bias, rng);
  // C is not read where nothing of it is kept.
  const bool reads = beta != 0 && !with_bias;
  for (int64_t i = 0; i < c.size(); ++i) {
    c[i] = reads || i % c_stride >= n ? before[i] : std::numeric_limits<float>::quiet_NaN();
  }
  const ProductPanels packing{k, n, b.values.data(), b.row_stride, b.column_stride, packed.data()};
  kernels.pack_panels(packing, 0, panels / 2);
  kernels.pack_panels(packing, panels / 2, panels);
  const ProductRows run{k,
                        n,
                        a.values.data(),
                        a.row_stride,
                        a.column_stride,
                        packed.data(),
                        alpha,
                        beta,
                        with_bias ? bias.data() : nullptr,
                        c.data(),
                        c_stride};
  for (const auto& [begin, end] : {std::pair{int64_t{0}, m / 3}, std::pair{m / 3, m}}) {
    kernels.multiply_rows(run, begin, end, 0, panels / 2, scratch.data());
    kernels.multiply_rows(run, begin, end, panels / 2, panels, scratch.data());
  }
  for (int64_t r = 0; r < m; ++r) {
    for (int64_t j = n; j < c_stride && r * c_stride + j < c.size(); ++j) {
      REQUIRE(c[r * c_stride + j] == before[r * c_stride + j]);
    }
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0, magnitude = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum += a.at(r, p) * b.at(p, j);
        magnitude += std::abs(a.at(r, p) * b.at(p, j));
      }
      double want = alpha * sum;
      if (with_bias) want += value(bias[j]);
      if (reads) want += beta * value(before[r * c_stride + j]);
      const double bound = 1e-6 * (std::abs(alpha) * magnitude + std::abs(want) + 1);
      INFO("m ", m, " n ", n, " k ", k, " row ", r, " column ", j);
      REQUIRE(std::abs(c[r * c_stride + j] - want) <= bound);
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("multiply_rows: C is beta C + alpha A B in any shape, stride and range", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(11);
  const Shape shapes[] = {{1, 1, 1},     {5, 3, 2},    {6, 16, 8},
                          {12, 32, 16},  {13, 33, 17}, {97, 65, 31},
                          {192, 64, 64}, {2, 100, 9},  {100, 47, kProductDepth},
                          {7, 130, 255}};
  for (const Shape& shape : shapes) {
    for (const bool a_by_rows : {true, false}) {
      for (const bool b_by_rows : {true, false}) {
        check_product<S>(*kernels, shape, a_by_rows, b_by_rows, 1, 0, false, rng);
        check_product<S>(*kernels, shape, a_by_rows, b_by_rows, -0.5f, 1, false, rng);
        check_product<S>(*kernels, shape, a_by_rows, b_by_rows, 0.25f, 0.5f, true, rng);
      }
    }
  }
}

TEST_CASE_TEMPLATE("multiply_rows: an element has the same bits however rows and panels are split",
                   Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  std::mt19937 rng(12);
  constexpr int64_t m = 50, n = 150, k = 100;
  const Matrix<S> a(m, k, true, rng), b(k, n, false, rng);
  const int64_t panels = (n + kernels->product_panel - 1) / kernels->product_panel;
  Buffer<float> packed(panels * k * kernels->product_panel), whole(m * n), parts(m * n);
  Buffer<char> scratch(kernels->product_scratch_bytes);
  kernels->pack_panels({k, n, b.values.data(), b.row_stride, b.column_stride, packed.data()}, 0,
                       panels);
  ProductRows run{k,
                  n,
                  a.values.data(),
                  a.row_stride,
                  a.column_stride,
                  packed.data(),
                  1,
                  0,
                  nullptr,
                  whole.data(),
                  n};
  kernels->multiply_rows(run, 0, m, 0, panels, scratch.data());
  run.c = parts.data();
  for (int64_t row = 0; row < m; row += 7) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      kernels->multiply_rows(run, row, std::min(row + 7, m), panel, panel + 1, scratch.data());
    }
  }
  CHECK(whole == parts);
}

}  // namespace lathe::test
