// An oracle: the model's logits by plain loops in double, written apart from the runtime. Linears
// go through merge_to_dense, everything else is spelt out from plan.h.
#pragma once

#include <cmath>

#include "support/reference_layers.h"
#include "support/tiny_models.h"
#include "weights/merge.h"

namespace lathe::test {

using Matrix = std::vector<std::vector<double>>;  // rows are positions

class ReferenceModel {
 public:
  ReferenceModel(const ModelSpec& spec, const TinyWeights& weights)
      : plan_(make_plan(spec)), w_(weights) {}

  // `only`: run this path of a fork alone; −1: all.
  Matrix logits(const std::vector<int32_t>& tokens, int only = -1) {
    x_.clear();
    tokens_ = tokens;
    only_ = only;
    for (const Stage& stage : plan_.stages) std::visit(*this, stage);
    return x_;
  }

  void operator()(const EmbedStage& e) {
    for (size_t t = 0; t < tokens_.size(); ++t) {
      std::vector<double> row;
      for (i64 c = 0; c < e.width; ++c) {
        double v = at(kTokenEmbedding, tokens_[t] * e.width + c);
        if (e.learned_positions) v += at(kPositionEmbedding, static_cast<i64>(t) * e.width + c);
        row.push_back(v);
      }
      x_.push_back(row);
    }
  }
  void operator()(const BlocksStage& s) {
    for (const BlockSpec& b : s.blocks) block(b, x_);
  }
  void operator()(const ProjectStage& p) {
    Matrix y;
    for (i64 t = 0; t < static_cast<i64>(x_.size()); ++t) {
      std::vector<double> row;
      for (i64 o = 0; o < p.out; ++o) {
        double sum = at(p.name + ".bias", o);
        for (i64 k = 0; k < p.kernel_size; ++k) {
          const i64 from = t - (p.kernel_size - 1) + k;
          if (from < 0) continue;
          for (i64 i = 0; i < p.in; ++i) {
            sum += at(p.name + ".weight", (o * p.in + i) * p.kernel_size + k) *
                   x_[static_cast<size_t>(from)][static_cast<size_t>(i)];
          }
        }
        row.push_back(sum);
      }
      y.push_back(row);
    }
    x_ = y;
  }
  void operator()(const ForkStage& f) {
    const size_t n = f.paths.size();
    std::vector<double> share;
    double total = 0;
    for (size_t i = 0; i < n; ++i) {
      share.push_back(i + 1 < n ? std::exp(at(kGate, static_cast<i64>(i))) : 1.0);
      total += share.back();
    }
    Matrix sum(x_.size(), std::vector<double>(x_[0].size(), 0.0));
    for (size_t i = 0; i < n; ++i) {
      if (only_ >= 0 && static_cast<size_t>(only_) != i) continue;
      Matrix y = linear(f.paths[i].name + ".entry", f.paths[i].entry, x_);
      for (const BlockSpec& b : f.paths[i].blocks) block(b, y);
      add(sum, y, only_ >= 0 ? 1.0 : share[i] / total);
    }
    x_ = sum;
  }
  void operator()(const NormStage& n) { x_ = norm(kFinalNorm, n.norm, x_); }
  void operator()(const HeadStage& h) {
    Matrix y;
    for (const auto& row : x_) {
      std::vector<double> out;
      for (i64 v = 0; v < h.vocab_size; ++v) {
        double sum = 0;
        for (i64 i = 0; i < h.in; ++i) {
          sum += at(h.tied ? kTokenEmbedding : kHead, v * h.in + i) * row[static_cast<size_t>(i)];
        }
        out.push_back(sum);
      }
      y.push_back(out);
    }
    x_ = y;
  }

 private:
  double at(const std::string& name, i64 i) const {
    return static_cast<double>(w_.at(name)[static_cast<size_t>(i)]);
  }
  static void add(Matrix& to, const Matrix& from, double scale) {
    for (size_t t = 0; t < to.size(); ++t) {
      for (size_t c = 0; c < to[t].size(); ++c) to[t][c] += scale * from[t][c];
    }
  }
  Matrix linear(const std::string& part, const LinearSpec& spec, const Matrix& x) const {
    std::vector<std::span<const float>> values;
    for (const Factor& f : factors(spec)) values.emplace_back(w_.at(tensor_name(part, f.name)));
    std::vector<float> dense(static_cast<size_t>(spec.in * spec.out));
    merge_to_dense(spec, values, dense);
    Matrix y;
    for (const auto& row : x) {
      std::vector<double> out;
      for (i64 o = 0; o < spec.out; ++o) {
        double sum = spec.bias ? at(part + ".bias", o) : 0.0;
        for (i64 i = 0; i < spec.in; ++i) {
          sum += static_cast<double>(dense[static_cast<size_t>(o * spec.in + i)]) *
                 row[static_cast<size_t>(i)];
        }
        out.push_back(sum);
      }
      y.push_back(out);
    }
    return y;
  }
  Matrix norm(const std::string& part, const NormSpec& spec, const Matrix& x) const {
    Matrix y = x;
    for (auto& row : y) {
      row = normalised(spec.kind, row, spec.eps);
      for (size_t c = 0; c < row.size(); ++c) {
        row[c] *= at(part + ".weight", static_cast<i64>(c));
        if (spec.bias) row[c] += at(part + ".bias", static_cast<i64>(c));
      }
    }
    return y;
  }
  void block(const BlockSpec& b, Matrix& x) const {
    const auto part = [&](const char* name) { return tensor_name(b.name, name); };
    const Matrix qkv = linear(part("attention.qkv"), b.qkv, norm(part(kNorm1), b.norm_1, x));
    const Matrix attended = linear(part("attention.out"), b.out, attention(b, qkv));
    const Matrix before = x;
    add(x, attended, 1);
    Matrix up = linear(part("ffn.up"), b.up, norm(part(kNorm2), b.norm_2, b.parallel ? before : x));
    for (auto& row : up) {
      for (size_t i = 0; i < static_cast<size_t>(b.d_ff); ++i) {
        const double value = is_gated(b.activation) ? row[i + static_cast<size_t>(b.d_ff)] : 1;
        row[i] = activated(b.activation, row[i], value);
      }
      row.resize(static_cast<size_t>(b.d_ff));
    }
    add(x, linear(part("ffn.down"), b.down, up), 1);
  }
  // Radians a position of the first of `dims` numbers that rotate, the pair i of them.
  static double frequency(const RopeSpec& rope, double dims, double i) {
    const double f = std::pow(rope.base, -2 * i / dims);
    const RopeScalingOption& s = rope.scaling;
    if (s.kind == RopeScaling::kNone) return f;
    if (s.kind == RopeScaling::kLinear) return f / s.factor;
    const double wave = 2 * M_PI / f, context = static_cast<double>(s.original_context_length);
    if (wave < context / s.high_freq_factor) return f;
    if (wave > context / s.low_freq_factor) return f / s.factor;
    const double smooth =
        (context / wave - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
    return (1 - smooth) * f / s.factor + smooth * f;
  }
  // The head that begins at column `first` of row t, normed, and rotated to its position.
  std::vector<double> head(const BlockSpec& b, const Matrix& qkv, size_t t, i64 first,
                           const char* norm_name) const {
    const size_t half = static_cast<size_t>(b.d_head / 2);
    Matrix row = {{qkv[t].begin() + first, qkv[t].begin() + first + b.d_head}};
    if (b.qk_norm) row = norm(tensor_name(b.name, norm_name), *b.qk_norm, row);
    std::vector<double> v = row[0];
    if (!b.rope) return v;
    const i64 dims = b.rope->dims > 0 ? b.rope->dims : b.d_head;
    for (size_t i = 0; i < static_cast<size_t>(dims / 2); ++i) {
      const double angle = static_cast<double>(t) *
                           frequency(*b.rope, static_cast<double>(dims), static_cast<double>(i));
      const double p = row[0][i], q = row[0][i + half];
      v[i] = p * std::cos(angle) - q * std::sin(angle);
      v[i + half] = q * std::cos(angle) + p * std::sin(angle);
    }
    return v;
  }
  Matrix attention(const BlockSpec& b, const Matrix& qkv) const {
    const i64 E = b.d_head;
    Matrix out(qkv.size(), std::vector<double>(static_cast<size_t>(b.n_heads * E), 0.0));
    for (i64 h = 0; h < b.n_heads; ++h) {
      const i64 kv = h / (b.n_heads / b.n_kv_heads);
      for (size_t t = 0; t < qkv.size(); ++t) {
        const auto q = head(b, qkv, t, h * E, kQNorm);
        std::vector<double> score;
        double total = 0;
        for (size_t s = 0; s <= t; ++s) {
          const auto k = head(b, qkv, s, (b.n_heads + kv) * E, kKNorm);
          double dot = 0;
          for (size_t e = 0; e < k.size(); ++e) dot += q[e] * k[e];
          score.push_back(std::exp(dot / std::sqrt(static_cast<double>(E))));
          total += score.back();
        }
        for (size_t s = 0; s <= t; ++s) {
          const size_t v = static_cast<size_t>((b.n_heads + b.n_kv_heads + kv) * E);
          for (size_t e = 0; e < static_cast<size_t>(E); ++e) {
            out[t][static_cast<size_t>(h * E) + e] += score[s] / total * qkv[s][v + e];
          }
        }
      }
    }
    return out;
  }

  Plan plan_;
  const TinyWeights& w_;
  std::vector<int32_t> tokens_;
  int only_ = -1;
  Matrix x_;
};

}  // namespace lathe::test
