#include "kernels_train/support.h"

namespace lathe::test {

namespace {

constexpr int64_t kRows = 5;

struct Case {
  int64_t D;
  bool rms, bias, delta;
  int64_t shift;
};

// Inputs, with a mean far from 0, and all results of one norm.
template <class S>
struct Norm {
  Case c;
  Buffer<float> x, x_out, w, b, mean, rstd;
  Buffer<S> delta, y;
  explicit Norm(const Case& c_)
      : c(c_),
        x(kRows * c.D, c.shift),
        x_out(kRows * c.D, c.shift),
        w(c.D, c.shift),
        b(c.D, c.shift),
        mean(kRows, c.shift),
        rstd(kRows, c.shift),
        delta(kRows * c.D, c.shift),
        y(kRows * c.D, c.shift) {
    std::mt19937 rng(static_cast<unsigned>(c.D));
    fill_normal(x, rng, 3, 2);
    fill_normal(delta, rng);
    fill_normal(w, rng, 1, 0.3f);
    fill_normal(b, rng);
  }
  NormForward args() {
    NormForward a;
    a.D = c.D;
    a.x = x.data();
    a.delta = c.delta ? delta.data() : nullptr;
    a.x_out = x_out.data();
    a.w = w.data();
    a.b = c.bias ? b.data() : nullptr;
    a.y = y.data();
    a.mean = mean.data();
    a.rstd = rstd.data();
    return a;
  }
};

const TrainNorm& kernel_of(const TrainKernels& kernels, const Case& c) {
  return train_norm(kernels, c.rms ? "rms_norm" : "layer_norm");
}

struct Moments {
  double mean, rstd;
};
Moments moments(const std::vector<double>& x, bool rms, double eps) {
  double mean = 0, variance = 0;
  if (!rms) {
    for (const double v : x) mean += v / static_cast<double>(x.size());
  }
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  return {mean, 1 / std::sqrt(variance + eps)};
}

std::vector<double> normed(const std::vector<double>& x, bool rms) {
  const Moments m = moments(x, rms, 1e-5);
  std::vector<double> y;
  for (const double v : x) y.push_back((v - m.mean) * m.rstd);
  return y;
}

template <class S>
void check_forward(const TrainKernels& kernels, const Case& c) {
  CAPTURE(c.D);
  CAPTURE(c.rms);
  CAPTURE(c.delta);
  Norm<S> norm(c);
  kernel_of(kernels, norm.c).forward(norm.args(), 0, kRows);
  for (int64_t r = 0; r < kRows; ++r) {
    std::vector<double> x;
    for (int64_t d = 0; d < c.D; ++d) {
      const int64_t i = r * c.D + d;
      const float sum = norm.x[i] + (c.delta ? static_cast<float>(norm.delta[i]) : 0.0f);
      REQUIRE(norm.x_out[i] == sum);
      x.push_back(sum);
    }
    const Moments m = moments(x, c.rms, 1e-5);
    if (!c.rms) REQUIRE(norm.mean[r] == doctest::Approx(m.mean).epsilon(1e-6));
    REQUIRE(norm.rstd[r] == doctest::Approx(m.rstd).epsilon(c.D == 1 ? 1e-2 : 2e-5));
    for (int64_t d = 0; d < c.D; ++d) {
      const double scaled = (x[static_cast<size_t>(d)] - m.mean) * m.rstd * norm.w[d];
      const double y = scaled + (c.bias ? norm.b[d] : 0);
      const double slack = kRounding<S> * std::abs(y) + 3e-5 * (std::abs(scaled) + 1);
      REQUIRE(std::abs(value(norm.y[r * c.D + d]) - y) <= slack + (c.D == 1 ? 1e-3 : 0));
    }
  }
}

template <class S>
struct Gradients {
  Buffer<S> dy, ddelta;
  Buffer<float> dres, dx, dw, db;
  explicit Gradients(const Case& c)
      : dy(kRows * c.D, c.shift),
        ddelta(kRows * c.D, c.shift),
        dres(kRows * c.D, c.shift),
        dx(kRows * c.D, c.shift),
        dw(c.D, c.shift),
        db(c.D, c.shift) {
    std::mt19937 rng(static_cast<unsigned>(c.D) + 1);
    fill_normal(dy, rng);
    fill_normal(dres, rng);
    for (int64_t d = 0; d < c.D; ++d) dw[d] = db[d] = 0.5f;  // is added to
  }
  NormBackward args(const Norm<S>& norm) {
    NormBackward a;
    a.D = norm.c.D;
    a.dy = dy.data();
    a.x = norm.x_out.data();
    a.mean = norm.mean.data();
    a.rstd = norm.rstd.data();
    a.w = norm.w.data();
    a.dres = dres.data();
    a.dx = dx.data();
    a.ddelta = ddelta.data();
    a.dw = dw.data();
    a.db = db.data();
    return a;
  }
};

// dx by central differences of Σ norm(x) · w · dy in double; dw and db by their definition.
template <class S>
void check_backward(const TrainKernels& kernels, const Case& c) {
  CAPTURE(c.D);
  CAPTURE(c.rms);
  Norm<S> norm(c);
  kernel_of(kernels, norm.c).forward(norm.args(), 0, kRows);
  Gradients<S> g(c);
  kernel_of(kernels, norm.c).backward(g.args(norm), 0, kRows);
  std::vector<double> dw(static_cast<size_t>(c.D), 0.5), db(dw), dw_bound(dw.size(), 1e-5),
      db_bound(dw.size(), 1e-5);
  for (int64_t r = 0; r < kRows; ++r) {
    std::vector<double> x, weight;
    for (int64_t d = 0; d < c.D; ++d) {
      x.push_back(norm.x_out[r * c.D + d]);
      weight.push_back(norm.w[d] * value(g.dy[r * c.D + d]));
    }
    const auto loss = [&] {
      const std::vector<double> y = normed(x, c.rms);
      double sum = 0;
      for (size_t i = 0; i < y.size(); ++i) sum += y[i] * weight[i];
      return sum;
    };
    const std::vector<double> y = normed(x, c.rms);
    for (int64_t d = 0; d < c.D; ++d) {
      const auto at = static_cast<size_t>(d);
      const int64_t i = r * c.D + d;
      dw[at] += y[at] * value(g.dy[i]);
      db[at] += value(g.dy[i]);
      dw_bound[at] += 1e-5 * std::abs(value(g.dy[i]));
      const double v = x[at], step = 1e-4;
      x[at] = v + step;
      const double above = loss();
      x[at] = v - step;
      const double below = loss();
      x[at] = v;
      const double dx = (above - below) / (2 * step) + g.dres[i];
      REQUIRE(std::abs(g.dx[i] - dx) <= 2e-5 * (std::abs(dx) + 1));
      REQUIRE(value(g.ddelta[i]) == value(S(g.dx[i])));
    }
  }
  check_close("dw", g.dw, dw, dw_bound);
  check_close("db", g.db, db, db_bound);
}

}  // namespace

TEST_CASE_TEMPLATE(
    "norm: forward equals its formula in double for any width, bias, delta, alignment", Table,
    LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t D : {1, 2, 15, 16, 17, 31, 33, 64, 100, 768}) {
    for (const bool delta : {false, true}) {
      for (const int64_t shift : {0, 3}) {
        check_forward<S>(*kernels, {D, false, true, delta, shift});
        check_forward<S>(*kernels, {D, false, false, delta, shift});
        check_forward<S>(*kernels, {D, true, false, delta, shift});
      }
    }
  }
}

TEST_CASE_TEMPLATE("norm: backward equals finite differences of the formula", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t D : {2, 3, 15, 16, 17, 33, 64, 100}) {
    for (const int64_t shift : {0, 3}) {
      check_backward<S>(*kernels, {D, false, true, true, shift});
      check_backward<S>(*kernels, {D, true, false, true, shift});
    }
  }
}

TEST_CASE_TEMPLATE("norm: the sum may replace x, and dx the residual's gradient", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  const Case c = {40, false, true, true, 0};
  Norm<S> apart(c), in_place(c);
  kernel_of(*kernels, apart.c).forward(apart.args(), 0, kRows);
  NormForward forward = in_place.args();
  forward.x_out = in_place.x.data();
  kernel_of(*kernels, apart.c).forward(forward, 0, kRows);
  CHECK(in_place.x == apart.x_out);
  CHECK(in_place.y == apart.y);

  Gradients<S> g(c), g_in_place(c);
  kernel_of(*kernels, apart.c).backward(g.args(apart), 0, kRows);
  NormBackward backward = g_in_place.args(apart);
  backward.dx = g_in_place.dres.data();
  kernel_of(*kernels, apart.c).backward(backward, 0, kRows);
  CHECK(g_in_place.dres == g.dx);
}

TEST_CASE_TEMPLATE("norm: optional arguments may be absent", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  const Case c = {40, true, false, false, 0};
  Norm<S> full(c), bare(c);
  kernel_of(*kernels, full.c).forward(full.args(), 0, kRows);
  NormForward forward = bare.args();
  forward.x_out = nullptr;
  forward.mean = nullptr;
  kernel_of(*kernels, full.c).forward(forward, 0, kRows);
  CHECK(bare.y == full.y);

  Gradients<S> g(c), g_bare(c);
  kernel_of(*kernels, full.c).backward(g.args(full), 0, kRows);
  NormBackward backward = g_bare.args(full);
  backward.mean = nullptr;
  backward.dres = nullptr;
  backward.ddelta = nullptr;
  backward.db = nullptr;
  kernel_of(*kernels, full.c).backward(backward, 0, kRows);
  CHECK(g_bare.dw == g.dw);
  for (int64_t i = 0; i < g.dx.size(); ++i) {
    CHECK(g_bare.dx[i] + g.dres[i] == doctest::Approx(g.dx[i]).epsilon(1e-5));
  }
}

TEST_CASE_TEMPLATE("norm: rows do not depend on how the range is split", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  const Case c = {50, false, true, true, 0};
  Norm<S> whole(c), split(c);
  kernel_of(*kernels, whole.c).forward(whole.args(), 0, kRows);
  kernel_of(*kernels, whole.c).forward(split.args(), 3, kRows);
  kernel_of(*kernels, whole.c).forward(split.args(), 0, 3);
  CHECK(split.y == whole.y);
  CHECK(split.rstd == whole.rstd);
  Gradients<S> g(c), g_split(c);
  kernel_of(*kernels, whole.c).backward(g.args(whole), 0, kRows);
  kernel_of(*kernels, whole.c).backward(g_split.args(whole), 2, kRows);
  kernel_of(*kernels, whole.c).backward(g_split.args(whole), 0, 2);
  CHECK(g_split.dx == g.dx);
}

}  // namespace lathe::test
