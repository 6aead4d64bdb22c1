#include "kernels_train/support.h"

namespace lathe::test {

namespace {

template <class S>
struct Rows {
  int64_t n, V, stride;
  Buffer<S> logits;
  Buffer<int64_t> targets;
  Buffer<float> loss;
  Rows(int64_t n_, int64_t V_, int64_t padding, int64_t shift, float deviation)
      : n(n_), V(V_), stride(V_ + padding), logits(n * stride, shift), targets(n), loss(n, shift) {
    std::mt19937 rng(static_cast<unsigned>(V));
    fill_normal(logits, rng, 0, deviation);
    for (int64_t r = 0; r < n; ++r) targets[r] = (r * 7 + V - 1) % V;
  }
  CrossEntropy args(float scale) {
    return {V, stride, logits.data(), targets.data(), loss.data(), scale};
  }
};

// Loss, gradient and the elements between the rows, against double.
template <class S>
void check_rows(const TrainKernels& kernels, Rows<S>& rows, float scale) {
  CAPTURE(rows.V);
  const int64_t V = rows.V;
  std::vector<double> loss, loss_bound, grad, grad_bound;
  for (int64_t r = 0; r < rows.n; ++r) {
    const S* x = rows.logits.data() + r * rows.stride;
    double max = -INFINITY, sum = 0;
    for (int64_t v = 0; v < V; ++v) max = std::max(max, value(x[v]));
    for (int64_t v = 0; v < V; ++v) sum += std::exp(value(x[v]) - max);
    const double lse = max + std::log(sum);
    const int64_t target = rows.targets[r];
    loss.push_back(target < 0 ? 0 : lse - value(x[target]));
    loss_bound.push_back(target < 0 ? 0 : 3e-7 * (std::abs(lse) + std::abs(loss.back()) + 1));
    for (int64_t v = 0; v < rows.stride; ++v) {
      if (v >= V) {  // not ours
        grad.push_back(value(x[v]));
        grad_bound.push_back(0);
        continue;
      }
      const double p = std::exp(value(x[v]) - lse);
      grad.push_back(target < 0 ? 0 : (p - (v == target)) * scale);
      // f32 arithmetic, with the difference from 1 at the target, then one rounding.
      const double slack = p == 0 ? 0 : (std::abs(lse) + std::abs(value(x[v])) + 10) * p * 3e-7;
      grad_bound.push_back(target < 0 ? 0
                                      : kRounding<S> * std::abs(grad.back()) +
                                            scale * (slack + (v == target ? 2e-7 : 0)) + 1e-38);
    }
  }
  kernels.cross_entropy(rows.args(scale), 0, rows.n);
  check_close("loss", rows.loss, loss, loss_bound);
  check_close("dlogits", rows.logits, grad, grad_bound);
}

}  // namespace

TEST_CASE_TEMPLATE("cross_entropy: loss and gradient equal those in double for any vocabulary",
                   Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t V : {1, 2, 15, 16, 17, 31, 63, 64, 65, 127, 1000, 50257}) {
    for (const int64_t padding : {0, 7}) {
      Rows<S> rows(3, V, padding, padding, 3.0f);
      check_rows(*kernels, rows, 0.25f);
    }
  }
}

TEST_CASE_TEMPLATE("cross_entropy: logits of any size leave no NaN and no lost row", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  Rows<S> rows(4, 100, 0, 0, 500.0f);
  check_rows(*kernels, rows, 1.0f);
  Rows<S> descending(1, 200, 0, 0, 1.0f);  // the running maximum never changes after the start
  for (int64_t v = 0; v < 200; ++v) descending.logits[v] = S(1000.0f - 8.0f * float(v));
  check_rows(*kernels, descending, 1.0f);
  Rows<S> ascending(1, 200, 0, 0, 1.0f);  // or at every step
  for (int64_t v = 0; v < 200; ++v) ascending.logits[v] = S(-1000.0f + 8.0f * float(v));
  check_rows(*kernels, ascending, 1.0f);
  Rows<S> masked(1, 40, 0, 0, 1.0f);  // −inf: a word that cannot come
  masked.logits[5] = masked.logits[33] = S(-INFINITY);
  check_rows(*kernels, masked, 1.0f);
}

TEST_CASE_TEMPLATE("cross_entropy: an ignored row has no loss and no gradient", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  Rows<S> rows(4, 77, 3, 0, 2.0f);
  rows.targets[1] = -100;
  rows.targets[2] = -1;
  check_rows(*kernels, rows, 0.5f);
  CHECK(rows.loss[1] == 0.0f);
  CHECK(value(rows.logits[rows.stride + 5]) == 0.0);
}

TEST_CASE_TEMPLATE("cross_entropy: a row known for sure keeps a gradient at its target", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  Rows<S> rows(1, 64, 0, 0, 0.0f);
  rows.targets[0] = 9;
  rows.logits[9] = S(12.0f);  // p = 1 − 63·e⁻¹²: 1 in bf16
  kernels->cross_entropy(rows.args(1.0f), 0, 1);
  CHECK(value(rows.logits[9]) == doctest::Approx(-63 * std::exp(-12.0)).epsilon(0.01));
}

TEST_CASE_TEMPLATE("cross_entropy: any split of the rows gives the same bits", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  Rows<S> whole(9, 333, 0, 0, 2.0f), split(9, 333, 0, 0, 2.0f);
  kernels->cross_entropy(whole.args(0.1f), 0, 9);
  for (const auto& [begin, end] : {std::pair{4, 9}, std::pair{0, 1}, std::pair{1, 4}}) {
    kernels->cross_entropy(split.args(0.1f), begin, end);
  }
  CHECK(split.logits == whole.logits);
  CHECK(split.loss == whole.loss);
}

}  // namespace lathe::test
