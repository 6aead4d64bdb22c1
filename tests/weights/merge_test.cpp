#include "weights/merge.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

using namespace lathe;

namespace {

// Row-major matrix of doubles: the oracle's own arithmetic.
struct Matrix {
  i64 rows, cols;
  std::vector<double> x;
  Matrix(i64 r, i64 c) : rows(r), cols(c), x(static_cast<size_t>(r * c)) {}
  double& at(i64 r, i64 c) { return x[static_cast<size_t>(r * cols + c)]; }
  double at(i64 r, i64 c) const { return x[static_cast<size_t>(r * cols + c)]; }
};

Matrix operator*(const Matrix& a, const Matrix& b) {
  REQUIRE(a.cols == b.rows);
  Matrix product(a.rows, b.cols);
  for (i64 i = 0; i < a.rows; ++i) {
    for (i64 j = 0; j < b.cols; ++j) {
      for (i64 k = 0; k < a.cols; ++k) product.at(i, j) += a.at(i, k) * b.at(k, j);
    }
  }
  return product;
}

// Blocks of `rows` × `cols` laid along the diagonal, read from a factor in its stored layout.
Matrix block_diagonal(const std::vector<float>& factor, i64 blocks, i64 rows, i64 cols) {
  REQUIRE(static_cast<i64>(factor.size()) == blocks * rows * cols);
  Matrix m(blocks * rows, blocks * cols);
  for (i64 b = 0; b < blocks; ++b) {
    for (i64 i = 0; i < rows; ++i) {
      for (i64 j = 0; j < cols; ++j) {
        m.at(b * rows + i, b * cols + j) =
            static_cast<double>(factor[static_cast<size_t>((b * rows + i) * cols + j)]);
      }
    }
  }
  return m;
}

// The permutation that deals n entries out to `groups`: entry r·groups + l goes to l·(n/groups) +
// r.
Matrix deal_out(i64 n, i64 groups) {
  Matrix p(n, n);
  for (i64 r = 0; r < n / groups; ++r) {
    for (i64 l = 0; l < groups; ++l) p.at(l * (n / groups) + r, r * groups + l) = 1;
  }
  return p;
}

Matrix transposed(const Matrix& m) {
  Matrix t(m.cols, m.rows);
  for (i64 i = 0; i < m.rows; ++i) {
    for (i64 j = 0; j < m.cols; ++j) t.at(j, i) = m.at(i, j);
  }
  return t;
}

using Weights = std::vector<std::vector<float>>;

Weights random_weights(const LinearSpec& spec) {
  Weights weights;
  uint32_t stream = 0;
  for (const Factor& factor : factors(spec)) {
    i64 n = 1;
    for (const i64 d : factor.shape) n *= d;
    const Random random(11, RandomUse::kInit, stream++);
    auto& values = weights.emplace_back();
    for (i64 i = 0; i < n; ++i) {
      values.push_back(static_cast<float>(random.normal(static_cast<uint64_t>(i))));
    }
  }
  return weights;
}

void check_merge(const LinearSpec& spec, const Weights& weights, const Matrix& expected) {
  CAPTURE(describe_linear(spec));
  check_linear(spec, "test");
  const std::vector<std::span<const float>> views(weights.begin(), weights.end());
  std::vector<float> dense(static_cast<size_t>(spec.in * spec.out), NAN);
  merge_to_dense(spec, views, dense);
  REQUIRE(expected.rows == spec.out);
  REQUIRE(expected.cols == spec.in);
  double worst = 0, largest = 0;
  for (size_t i = 0; i < dense.size(); ++i) {
    // NaN, what was never written, must not compare as small.
    const double error = std::abs(static_cast<double>(dense[i]) - expected.x[i]);
    worst = error <= worst ? worst : error;
    largest = std::max(largest, std::abs(expected.x[i]));
  }
  CHECK(worst <= 1e-7 * largest + 1e-12);
  CHECK(largest > 0);
}

constexpr auto kLowRank = LinearKind::kLowRank;
constexpr auto kBlockDense = LinearKind::kBlockDense;
constexpr auto kBlockShuffle = LinearKind::kBlockShuffle;

}  // namespace

TEST_CASE("linear: a dense matrix merges to itself") {
  const LinearSpec spec{.kind = LinearKind::kDense, .in = 5, .out = 3};
  const Weights weights = random_weights(spec);
  check_merge(spec, weights, block_diagonal(weights[0], 1, 3, 5));
}

TEST_CASE("linear: low_rank merges to U V") {
  for (const LinearSpec& spec : {LinearSpec{.kind = kLowRank, .in = 6, .out = 10, .rank = 4},
                                 LinearSpec{.kind = kLowRank, .in = 10, .out = 6, .rank = 6},
                                 LinearSpec{.kind = kLowRank, .in = 7, .out = 7, .rank = 1}}) {
    const Weights w = random_weights(spec);
    const Matrix v = block_diagonal(w[0], 1, spec.rank, spec.in);
    const Matrix u = block_diagonal(w[1], 1, spec.out, spec.rank);
    check_merge(spec, w, u * v);
  }
}

TEST_CASE("linear: block_dense's column block i is U's columns of block i times V_i") {
  for (const LinearSpec& spec :
       {LinearSpec{.kind = kBlockDense, .in = 12, .out = 20, .rank = 6, .n_blocks = 3},
        LinearSpec{.kind = kBlockDense, .in = 20, .out = 12, .rank = 8, .n_blocks = 4},
        LinearSpec{.kind = kBlockDense, .in = 8, .out = 6, .rank = 6, .n_blocks = 1},
        LinearSpec{.kind = kBlockDense, .in = 6, .out = 7, .rank = 6, .n_blocks = 6}}) {
    const Weights w = random_weights(spec);
    const i64 b = spec.n_blocks, rank = spec.rank / b, width = spec.in / b;
    Matrix expected(spec.out, spec.in);
    for (i64 m = 0; m < spec.out; ++m) {
      for (i64 i = 0; i < b; ++i) {
        for (i64 p = 0; p < width; ++p) {
          for (i64 j = 0; j < rank; ++j) {
            expected.at(m, i * width + p) +=
                static_cast<double>(w[1][static_cast<size_t>(m * spec.rank + i * rank + j)]) *
                static_cast<double>(w[0][static_cast<size_t>((i * rank + j) * width + p)]);
          }
        }
      }
    }
    check_merge(spec, w, expected);
  }
}

TEST_CASE("linear: block_shuffle is two block-diagonal matrices with a shuffle after each") {
  // The second and third have blocks that do not divide the rows of a block (4 ∤ 3, 4 ∤ 5).
  for (const LinearSpec& spec :
       {LinearSpec{.kind = kBlockShuffle, .in = 8, .out = 24, .n_blocks = 2},
        LinearSpec{.kind = kBlockShuffle, .in = 12, .out = 20, .n_blocks = 4},
        LinearSpec{.kind = kBlockShuffle, .in = 28, .out = 20, .n_blocks = 4},
        LinearSpec{.kind = kBlockShuffle, .in = 24, .out = 8, .n_blocks = 2},
        LinearSpec{.kind = kBlockShuffle, .in = 9, .out = 9, .n_blocks = 3},
        LinearSpec{.kind = kBlockShuffle, .in = 5, .out = 3, .n_blocks = 1}}) {
    const Weights w = random_weights(spec);
    const i64 b = spec.n_blocks, inner = std::min(spec.in, spec.out);
    const Matrix first = block_diagonal(w[0], b, inner / b, spec.in / b);
    const Matrix second = block_diagonal(w[1], b, spec.out / b, inner / b);
    // The outputs are interleaved, the inverse of dealing out.
    check_merge(spec, w, transposed(deal_out(spec.out, b)) * second * deal_out(inner, b) * first);
  }
}
