#include "kernels_train/attention_reference.h"

#include <algorithm>

namespace lathe::test {

namespace {

constexpr double kFloor = 1e-6;  // f32 sums

using Rows = std::vector<std::vector<double>>;

Rows head_rows(const AttentionShape& shape, const std::vector<double>& qkv, int64_t b, int64_t head,
               bool rotated, bool round_rotated) {
  const int64_t E = shape.E, width = (shape.H + 2 * shape.K) * E;
  Rows rows(static_cast<size_t>(shape.T));
  for (int64_t t = 0; t < shape.T; ++t) {
    const double* x = qkv.data() + (b * shape.T + t) * width + head * E;
    auto& row = rows[static_cast<size_t>(t)];
    row.assign(x, x + E);
    if (!rotated || shape.cos == nullptr) continue;
    for (int64_t i = 0; i < E / 2; ++i) {
      const float cos = shape.cos[t * (E / 2) + i], sin = shape.sin[t * (E / 2) + i];
      const double a = x[i], c = x[i + E / 2];
      auto& first = row[static_cast<size_t>(i)];
      auto& second = row[static_cast<size_t>(i + E / 2)];
      if (round_rotated) {
        const auto af = static_cast<float>(a), cf = static_cast<float>(c);
        first = static_cast<float>(Bf16(std::fma(af, cos, -(cf * sin))));
        second = static_cast<float>(Bf16(std::fma(cf, cos, af * sin)));
      } else {
        first = a * cos - c * sin;
        second = c * cos + a * sin;
      }
    }
  }
  return rows;
}

// Adds the rows of a head's gradient, rotation undone; bounds only add up.
void put_rows(const AttentionShape& shape, int64_t b, int64_t head, bool rotated, const Rows& grad,
              const Rows& bound, double rounding, AttentionReference& ref) {
  const int64_t E = shape.E, width = (shape.H + 2 * shape.K) * E;
  for (int64_t t = 0; t < shape.T; ++t) {
    const auto& g = grad[static_cast<size_t>(t)];
    const auto& e = bound[static_cast<size_t>(t)];
    const auto at = static_cast<size_t>((b * shape.T + t) * width + head * E);
    for (size_t i = 0; i < static_cast<size_t>(E); ++i) {
      double x = g[i], slack = e[i];
      if (rotated && shape.cos != nullptr) {
        const auto half = static_cast<size_t>(E / 2);
        const size_t pair = i < half ? i + half : i - half;
        const int64_t angle = t * (E / 2) + static_cast<int64_t>(i % half);
        const double cos = shape.cos[angle], sin = shape.sin[angle];
        x = g[i] * cos + (i < half ? g[pair] : -g[pair]) * sin;
        slack = e[i] * std::abs(cos) + e[pair] * std::abs(sin);
      }
      ref.dqkv[at + i] = x;
      ref.dqkv_bound[at + i] = slack + rounding * std::abs(x) + kFloor;
    }
  }
}

struct Head {
  const Rows &q, &k, &v;
  Rows &dq, &dk, &dv, &dq_bound, &dk_bound, &dv_bound;
};

void attend(const AttentionShape& shape, int64_t b, int64_t h, const std::vector<double>& dout,
            const Head& head, double rounding, AttentionReference& ref) {
  const auto E = static_cast<size_t>(shape.E);
  std::vector<double> p(static_cast<size_t>(shape.T)), dp(p.size());
  for (size_t t = 0; t < p.size(); ++t) {
    double max = -INFINITY, sum = 0;
    for (size_t s = 0; s <= t; ++s) {
      p[s] = 0;
      for (size_t e = 0; e < E; ++e) p[s] += head.q[t][e] * head.k[s][e];
      p[s] *= shape.scale;
      max = std::max(max, p[s]);
    }
    for (size_t s = 0; s <= t; ++s) sum += p[s] = std::exp(p[s] - max);
    const auto row = (static_cast<size_t>(b * shape.T) + t) * static_cast<size_t>(shape.H) +
                     static_cast<size_t>(h);
    const double* grad = dout.data() + row * E;
    ref.lse[static_cast<size_t>((b * shape.H + h) * shape.T) + t] = max + std::log(sum);
    double d = 0, d_bound = 0;  // D = Σ dO ∘ O of the rounded O
    for (size_t e = 0; e < E; ++e) {
      double o = 0, magnitude = 0;
      for (size_t s = 0; s <= t; ++s) {
        o += p[s] / sum * head.v[s][e];
        magnitude += p[s] / sum * std::abs(head.v[s][e]);
      }
      ref.out[row * E + e] = o;
      ref.out_bound[row * E + e] = rounding * (magnitude + std::abs(o)) + kFloor;
      d += grad[e] * o;
      d_bound += std::abs(grad[e]) * ref.out_bound[row * E + e];
    }
    for (size_t s = 0; s <= t; ++s) {
      p[s] /= sum;
      dp[s] = 0;
      for (size_t e = 0; e < E; ++e) dp[s] += grad[e] * head.v[s][e];
      const double ds = shape.scale * p[s] * (dp[s] - d);
      const double slack = shape.scale * p[s] * (d_bound + kFloor) + rounding * std::abs(ds);
      for (size_t e = 0; e < E; ++e) {
        head.dq[t][e] += ds * head.k[s][e];
        head.dk[s][e] += ds * head.q[t][e];
        head.dv[s][e] += p[s] * grad[e];
        head.dq_bound[t][e] += slack * std::abs(head.k[s][e]);
        head.dk_bound[s][e] += slack * std::abs(head.q[t][e]);
        head.dv_bound[s][e] += rounding * p[s] * std::abs(grad[e]);
      }
    }
  }
}

}  // namespace

AttentionReference attention_reference(const AttentionShape& shape, const std::vector<double>& qkv,
                                       const std::vector<double>& dout, double rounding,
                                       bool round_rotated) {
  AttentionReference ref;
  ref.out.resize(dout.size());
  ref.out_bound.resize(dout.size());
  ref.lse.resize(static_cast<size_t>(shape.B * shape.H * shape.T));
  ref.dqkv.resize(qkv.size());
  ref.dqkv_bound.resize(qkv.size());
  const Rows zero(static_cast<size_t>(shape.T), std::vector<double>(static_cast<size_t>(shape.E)));
  const int64_t group = shape.H / shape.K;
  for (int64_t b = 0; b < shape.B; ++b) {
    for (int64_t kv = 0; kv < shape.K; ++kv) {
      const Rows k = head_rows(shape, qkv, b, shape.H + kv, true, round_rotated);
      const Rows v = head_rows(shape, qkv, b, shape.H + shape.K + kv, false, false);
      Rows dk = zero, dv = zero, dk_bound = zero, dv_bound = zero;
      for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
        const Rows q = head_rows(shape, qkv, b, h, true, round_rotated);
        Rows dq = zero, dq_bound = zero;
        attend(shape, b, h, dout, {q, k, v, dq, dk, dv, dq_bound, dk_bound, dv_bound}, rounding,
               ref);
        put_rows(shape, b, h, true, dq, dq_bound, rounding, ref);
      }
      put_rows(shape, b, shape.H + kv, true, dk, dk_bound, rounding, ref);
      put_rows(shape, b, shape.H + shape.K + kv, false, dv, dv_bound, rounding, ref);
    }
  }
  return ref;
}

}  // namespace lathe::test
