#include "infer/forward.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "infer/attention.h"
#include "kernels/dispatch.h"

namespace lathe::infer {

namespace {

// Everything is checked here, so that a pass either happens or leaves caches as they were.
i64 check_runs(const Model& model, std::span<const Run> runs) {
  i64 n = 0;
  for (const Run& run : runs) {
    const KvCache& cache = *run.cache;
    const i64 count = static_cast<i64>(run.tokens.size());
    if (count == 0) fail("[forward] a sequence without new tokens; expected at least one");
    if (count > cache.capacity() - cache.length()) {
      fail("[forward] {} tokens after {} do not fit the context of {}; shorten the input", count,
           cache.length(), cache.capacity());
    }
    for (const Piece& piece : pieces_of(run)) {
      const i64 context = model.plan.spec.context_length;
      if (piece.before + piece.n <= context) continue;
      fail("[forward] {} tokens after {} do not fit the context of {}; shorten the input", piece.n,
           piece.before, context);
    }
    for (const int32_t token : run.tokens) {
      if (token < 0 || token >= model.plan.spec.vocab_size) {
        fail("[forward] token {} is outside the vocabulary of {}; is the tokenizer another one?",
             token, model.plan.spec.vocab_size);
      }
    }
    n += count;
  }
  return n;
}

// One walk over the stages. x_ holds the residual stream (n, width).
class Pass {
 public:
  Pass(State& state, std::span<const Run> runs, i64 n, LogitRows rows, PathChoice path)
      : s_(state), runs_(runs), n_(n), rows_(rows), path_(path) {
    s_.positions.clear();
    s_.rotations.clear();
    for (const Run& run : runs) {
      for (const Piece& piece : pieces_of(run)) {
        for (i64 t = 0; t < piece.n; ++t) s_.positions.push_back(piece.before + t);
      }
    }
  }

  void operator()(const Embed& e) {
    x_ = grow(s_.x, e.spec.width);
    const i64 width = e.spec.width;
    i64 first = 0;
    if (e.positions.data) grow(s_.added, width);
    for (const Run& run : runs_) {
      s_.for_rows(static_cast<i64>(run.tokens.size()), [&](i64 t) {
        float* row = x_ + (first + t) * width;
        read_panel_row(s_.k, e.tokens, run.tokens[static_cast<size_t>(t)], row);
        if (e.positions.data) add_row(e.positions, first + t, row);
      });
      first += static_cast<i64>(run.tokens.size());
    }
  }

  void operator()(const Blocks& stage) {
    for (const Block& b : stage.blocks) block(b, x_);
  }

  void operator()(const Project& p) {
    const i64 in = p.spec.in, out = p.spec.out, size = p.spec.kernel_size;
    float* y = grow(s_.branch, out);
    if (size == 1) {
      s_.matmul(n_, x_, p.weight, p.bias, y);
    } else {
      s_.matmul(n_, windows(p, in, size), p.weight, p.bias, y);
    }
    std::swap(s_.x, s_.branch);
    x_ = y;
  }

  void operator()(const Fork& fork) {
    const i64 width = fork.paths[0].entry.spec.in;
    float* sum = path_ == PathChoice::kAll ? grow(s_.added, width) : nullptr;
    if (sum) std::fill(sum, sum + n_ * width, 0.0f);
    for (size_t i = 0; i < fork.paths.size(); ++i) {
      if (!sum && i != fork.best) continue;
      const Path& path = fork.paths[i];
      float* y = grow(s_.branch, width);
      apply(path.entry, s_, n_, x_, y);
      for (const Block& b : path.blocks) block(b, y);
      if (!sum) break;
      s_.for_rows(n_,
                  [&](i64 t) { s_.k.axpy(fork.shares[i], y + t * width, sum + t * width, width); });
    }
    std::swap(s_.x, sum ? s_.added : s_.branch);
    x_ = s_.x.as<float>();
  }

  // From here on only the rows that are asked for.
  void operator()(const FinalNorm& f) {
    const i64 width = f.norm.spec.width;
    if (rows_ != LogitRows::kAll) {
      i64 first = 0, kept = 0;
      const auto keep = [&](i64 row) {
        std::memmove(x_ + kept++ * width, x_ + row * width,
                     static_cast<size_t>(width) * sizeof(float));
      };
      for (const Run& run : runs_) {
        const i64 n = static_cast<i64>(run.tokens.size());
        if (rows_ == LogitRows::kLast) {
          keep(first + n - 1);
        } else {
          for (const i64 row : run.rows) keep(first + row);
        }
        first += n;
      }
      n_ = kept;
    }
    x_ = normed(f.norm, x_);
  }

  void operator()(const Head& head) {
    logits_ = grow(s_.logits, head.spec.vocab_size);
    if (n_ > 0) s_.matmul(n_, x_, head.weight, nullptr, logits_);
    n_logits_ = n_ * head.spec.vocab_size;
  }

  std::span<const float> logits() const { return {logits_, static_cast<size_t>(n_logits_)}; }

 private:
  // x += attention(norm_1 x); x += ffn(norm_2 x): see BlockSpec.
  void block(const Block& b, float* x) {
    const i64 width = b.spec.d_model;
    float* qkv = grow(s_.qkv, b.qkv.spec.out);
    apply(b.qkv, s_, n_, normed(b.norm_1, x), qkv);
    float* attended = grow(s_.attended, b.out.spec.in);
    attend(b, s_, runs_, qkv, attended);
    float* up = grow(s_.hidden, b.up.spec.out);
    if (b.spec.parallel) apply(b.up, s_, n_, normed(b.norm_2, x), up);
    float* y = grow(s_.normed, width);  // its content has been used
    apply(b.out, s_, n_, attended, y);
    add(y, x, width);

    if (!b.spec.parallel) apply(b.up, s_, n_, normed(b.norm_2, x), up);
    const i64 d_ff = b.spec.d_ff, out = b.up.spec.out;
    float* active = grow(s_.qkv, d_ff);
    s_.for_rows(n_, [&](i64 t) { b.activation->run(up + t * out, active + t * d_ff, d_ff); });
    y = grow(s_.normed, width);
    apply(b.down, s_, n_, active, y);
    add(y, x, width);
  }

  float* normed(const Norm& norm, const float* x) {
    const i64 width = norm.spec.width;
    float* y = grow(s_.normed, width);
    const float eps = static_cast<float>(norm.spec.eps);
    s_.for_rows(n_, [&](i64 t) {
      norm.kernel->run(x + t * width, norm.weight, norm.bias, eps, y + t * width, width);
    });
    return y;
  }

  void add(const float* y, float* x, i64 width) {
    s_.for_rows(n_, [&](i64 t) { s_.k.axpy(1.0f, y + t * width, x + t * width, width); });
  }

  // For each row its own input and the size − 1 before it, oldest first: (n, size · in).
  const float* windows(const Project& p, i64 in, i64 size) {
    float* window = grow(s_.window, size * in);
    i64 first = 0;
    for (const Run& run : runs_) {
      const i64 n = static_cast<i64>(run.tokens.size());
      run.cache->append_inputs(p.index, n, x_ + first * in);
      for (const Piece& piece : pieces_of(run)) {
        const i64 trunk = piece.before - run.cache->length();  // where what it follows ends
        s_.for_rows(piece.n, [&](i64 t) {
          // Inputs of the piece itself, and before those the last of what it follows.
          const i64 own = std::min(size, t + 1), rest = size - own, at = piece.first + t;
          float* to = window + (first + at) * size * in;
          copy(run.cache->window(p.index, trunk + own - 1), rest * in, to);
          copy(run.cache->window(p.index, at) + rest * in, own * in, to + rest * in);
        });
      }
      first += n;
    }
    return window;
  }
  static void copy(const float* from, i64 n, float* to) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  }

  // The embedding of row's position; through the row's part of s_.added.
  void add_row(const PanelView& positions, i64 row, float* to) const {
    const i64 width = positions.cols;
    float* wide = s_.added.as<float>() + row * width;
    read_panel_row(s_.k, positions, s_.positions[static_cast<size_t>(row)], wide);
    s_.k.axpy(1.0f, wide, to, width);
  }

  float* grow(Buffer& buffer, i64 width) const {
    return buffer.grow<float>(static_cast<size_t>(n_ * width));
  }

  State& s_;
  std::span<const Run> runs_;
  i64 n_;
  LogitRows rows_;
  PathChoice path_;
  float* x_ = nullptr;
  float* logits_ = nullptr;
  i64 n_logits_ = 0;
};

}  // namespace

namespace {

void apply_two_factor(const Linear& linear, State& state, i64 n, const float* x, float* y) {
  const TwoFactor& f = *linear.shape;
  const i64 inner = f.inner(), out = linear.spec.out;
  float* z = state.inner.grow<float>(static_cast<size_t>(n * inner));
  // Both shuffles are strides: z[r·L + l] is input r of group l, y[s·L + l] its output s.
  state.matmul(n, x, {linear.spec.in, f.v_in, 1}, linear.weights[0], nullptr, z,
               {inner, f.v_out, 1});
  const bool shuffled = f.u_blocks > 1;
  const Layout groups{inner, shuffled ? 1 : f.u_in, f.u_blocks};
  const Layout result{out, shuffled ? 1 : f.u_out, f.u_blocks};
  state.matmul(n, z, groups, linear.weights[1], linear.bias, y, result);
}

}  // namespace

void apply(const Linear& linear, State& state, i64 n, const float* x, float* y) {
  switch (form_of(linear.spec)) {
    case LinearForm::kDense:
      return state.matmul(n, x, linear.weights[0], linear.bias, y);
    case LinearForm::kTwoFactor:
      return apply_two_factor(linear, state, n, x, y);
  }
}

std::vector<Piece> pieces_of(const Run& run) {
  const i64 n = static_cast<i64>(run.tokens.size()), length = run.cache->length();
  const i64 trunk = run.branches.empty() ? n : run.branches[0];
  std::vector<Piece> pieces;
  if (trunk > 0) pieces.push_back({0, trunk, length});
  for (size_t i = 0; i < run.branches.size(); ++i) {
    const i64 end = i + 1 < run.branches.size() ? run.branches[i + 1] : n;
    LATHE_CHECK(run.branches[i] >= 0 && run.branches[i] < end);
    pieces.push_back({run.branches[i], end - run.branches[i], length + trunk});
  }
  return pieces;
}

std::span<const float> forward(const Model& model, State& state, std::span<const Run> runs,
                               LogitRows rows, PathChoice path) {
  const i64 n = check_runs(model, runs);
  Pass pass(state, runs, n, rows, path);
  for (const LoadedStage& stage : model.stages) std::visit(pass, stage);
  for (const Run& run : runs) run.cache->advance(static_cast<i64>(run.tokens.size()));
  return pass.logits();
}

}  // namespace lathe::infer
