// The attention kernels against loops in double.
#include <algorithm>

#include "kernels_train/attention_reference.h"
#include "kernels_train/support.h"

namespace lathe::test {

namespace {

template <class S>
struct Problem {
  AttentionShape shape;
  std::vector<float> cos, sin;
  Buffer<S> qkv, dout;

  Problem(int64_t B, int64_t T, int64_t H, int64_t K, int64_t E, bool rope, int64_t shift,
          float deviation = 1)
      : qkv(B * T * (H + 2 * K) * E, shift), dout(B * T * H * E, shift) {
    std::mt19937 rng(static_cast<unsigned>(T * 1000 + E * 10 + H + K));
    fill_normal(qkv, rng, 0, deviation);
    fill_normal(dout, rng);
    shape = {B, T, H, K, E, 1.0f / std::sqrt(static_cast<float>(E)), nullptr, nullptr};
    if (!rope) return;
    for (int64_t i = 0; i < T * E / 2; ++i) {
      const float angle = std::uniform_real_distribution<float>(0, 6.28f)(rng);
      cos.push_back(std::cos(angle));
      sin.push_back(std::sin(angle));
    }
    shape.cos = cos.data();
    shape.sin = sin.data();
  }
};

template <class S>
struct Result {
  Buffer<S> out, dqkv;
  Buffer<float> lse;
  Result(const Problem<S>& p, int64_t shift)
      : out(p.dout.size(), shift),
        dqkv(p.qkv.size(), shift),
        lse(p.shape.B * p.shape.H * p.shape.T, shift) {}
};

// Units [begin, end), in scratch full of NaN and of odd alignment.
template <class S>
void run_forward(const TrainKernels& kernels, const Problem<S>& p, int64_t begin, int64_t end,
                 Result<S>& r) {
  std::vector<unsigned char> scratch(
      static_cast<size_t>(kernels.attention_forward_scratch_bytes(p.shape)) + 1, 0xff);
  kernels.attention_forward({p.shape, p.qkv.data(), r.out.data(), r.lse.data()}, begin, end,
                            scratch.data() + 1);
}
template <class S>
void run_backward(const TrainKernels& kernels, const Problem<S>& p, int64_t begin, int64_t end,
                  Result<S>& r) {
  std::vector<unsigned char> scratch(
      static_cast<size_t>(kernels.attention_backward_scratch_bytes(p.shape)) + 1, 0xff);
  kernels.attention_backward(
      {p.shape, p.qkv.data(), r.out.data(), r.lse.data(), p.dout.data(), r.dqkv.data()}, begin, end,
      scratch.data() + 1);
}

template <class T>
std::vector<double> values(const Buffer<T>& x) {
  std::vector<double> v;
  for (int64_t i = 0; i < x.size(); ++i) v.push_back(value(x[i]));
  return v;
}

template <class Table>
void check_problem(const TrainKernels& kernels, const Problem<typename Table::S>& p,
                   int64_t shift) {
  using S = typename Table::S;
  const AttentionShape& s = p.shape;
  CAPTURE(s.B);
  CAPTURE(s.T);
  CAPTURE(s.H);
  CAPTURE(s.K);
  CAPTURE(s.E);
  CAPTURE(s.cos != nullptr);
  Result<S> r(p, shift);
  run_forward(kernels, p, 0, s.B * s.K, r);
  run_backward(kernels, p, 0, s.B * s.K, r);
  const AttentionReference ref =
      attention_reference(s, values(p.qkv), values(p.dout), kRounding<S>, Table::kBf16Products);
  std::vector<double> lse_bound;
  for (const double x : ref.lse) lse_bound.push_back(2e-6 * (std::abs(x) + 1));
  check_close("out", r.out, ref.out, ref.out_bound);
  check_close("lse", r.lse, ref.lse, lse_bound);
  check_close("dqkv", r.dqkv, ref.dqkv, ref.dqkv_bound);
}

}  // namespace

TEST_CASE("attention: the reference's gradient equals finite differences of its output") {
  const Problem<float> p(2, 5, 4, 2, 6, true, 0);
  std::vector<double> qkv = values(p.qkv);
  const std::vector<double> dout = values(p.dout);
  const auto loss = [&] {
    const auto out = attention_reference(p.shape, qkv, dout, 0, false).out;
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
    return sum;
  };
  const auto gradient = attention_reference(p.shape, qkv, dout, 0, false).dqkv;
  for (size_t i = 0; i < qkv.size(); ++i) {
    const double x = qkv[i], step = 1e-5;
    qkv[i] = x + step;
    const double above = loss();
    qkv[i] = x - step;
    const double below = loss();
    qkv[i] = x;
    CHECK(gradient[i] == doctest::Approx((above - below) / (2 * step)).epsilon(1e-6));
  }
}

TEST_CASE_TEMPLATE(
    "attention: output, lse and gradients are exact up to bf16 rounding for any T, E, group", Table,
    LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t T : {1, 2, 3, 17, 63, 64, 65, 129, 200}) {
    for (const int64_t E : {2, 16, 32, 64, 80, 128}) {
      for (const bool rope : {false, true}) {
        const int64_t B = T < 64 ? 2 : 1;
        check_problem<Table>(*kernels, Problem<S>(B, T, 2, 2, E, rope, 0), 0);
        check_problem<Table>(*kernels, Problem<S>(B, T, 4, 2, E, rope, 0), 0);
        check_problem<Table>(*kernels, Problem<S>(B, T, 4, 1, E, rope, 0), 0);
      }
    }
  }
}

TEST_CASE_TEMPLATE("attention: unusual head dims are right too", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t E : {6, 34, 96, 160, 256}) {
    check_problem<Table>(*kernels, Problem<S>(1, 70, 2, 1, E, true, 0), 0);
  }
}

TEST_CASE_TEMPLATE("attention: pointers need only the alignment of their elements", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t shift : {1, 3, 31}) {
    check_problem<Table>(*kernels, Problem<S>(1, 65, 4, 2, 64, true, shift), shift);
    check_problem<Table>(*kernels, Problem<S>(1, 17, 2, 2, 16, false, shift), shift);
  }
}

TEST_CASE_TEMPLATE("attention: scores far apart neither overflow nor underflow into NaN", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  // Scores of ±several thousand: each softmax is a single 1.
  const Problem<S> p(1, 200, 2, 2, 64, false, 0, 30.0f);
  Result<S> r(p, 0);
  run_forward(*kernels, p, 0, 2, r);
  run_backward(*kernels, p, 0, 2, r);
  const AttentionReference ref = attention_reference(p.shape, values(p.qkv), values(p.dout),
                                                     kRounding<S>, Table::kBf16Products);
  for (int64_t i = 0; i < r.out.size(); ++i) {
    const auto at = static_cast<size_t>(i);
    REQUIRE(std::abs(value(r.out[i]) - ref.out[at]) <= 1.05 * ref.out_bound[at] + 0.05);
  }
  for (int64_t i = 0; i < r.dqkv.size(); ++i) REQUIRE(std::isfinite(value(r.dqkv[i])));
}

TEST_CASE_TEMPLATE("attention: any split of the units gives the same bits as one range", Table,
                   LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  for (const int64_t K : {3, 6}) {
    const Problem<S> p(2, 150, 6, K, 48, true, 0);
    const int64_t units = p.shape.B * K;
    Result<S> whole(p, 0);
    run_forward(*kernels, p, 0, units, whole);
    run_backward(*kernels, p, 0, units, whole);
    for (const int64_t step : {1, 2, 5}) {
      Result<S> split(p, 0);
      for (int64_t u = (units - 1) / step * step; u >= 0; u -= step) {
        run_forward(*kernels, p, u, std::min(units, u + step), split);
      }
      for (int64_t u = (units - 1) / step * step; u >= 0; u -= step) {
        run_backward(*kernels, p, u, std::min(units, u + step), split);
      }
      CHECK(split.out == whole.out);
      CHECK(split.lse == whole.lse);
      CHECK(split.dqkv == whole.dqkv);
    }
  }
}

TEST_CASE_TEMPLATE("attention: a token changes no output before it", Table, LATHE_TABLES) {
  using S = typename Table::S;
  const TrainKernels* kernels = Table::kernels_or_skip();
  if (kernels == nullptr) return;
  Problem<S> p(1, 130, 2, 2, 32, false, 0);
  Result<S> before(p, 0), after(p, 0);
  run_forward(*kernels, p, 0, 2, before);
  const int64_t width = p.qkv.size() / 130, out_width = before.out.size() / 130, changed = 100;
  for (int64_t i = 0; i < width; ++i) p.qkv[changed * width + i] = S(9.0f);
  run_forward(*kernels, p, 0, 2, after);
  CHECK(std::memcmp(before.out.data(), after.out.data(),
                    static_cast<size_t>(changed * out_width) * sizeof(S)) == 0);
  CHECK(std::memcmp(before.out.data() + changed * out_width, after.out.data() + changed * out_width,
                    static_cast<size_t>(out_width) * sizeof(S)) != 0);
}

}  // namespace lathe::test
