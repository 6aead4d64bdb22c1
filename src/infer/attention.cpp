#include "infer/attention.h"

#include <algorithm>
#include <cmath>

#include "base/numeric.h"
#include "kernels/dispatch.h"

namespace lathe::infer {

namespace {

// Queries that are worked on together; those of a run shorter than kFewQueries one by one.
constexpr i64 kQueryBlock = 64;
constexpr i64 kFewQueries = 8;

// A part of the work: queries [first, first + n) of a piece for one kv head (few queries) or one
// head. They see the cache's rows [0, before), and of the piece's own rows, which begin at `own`,
// those up to themselves.
struct Task {
  const KvCache* cache;
  i64 row;  // of the piece's first token, in the pass
  i64 before, own;
  i64 first, n;
  i64 head;
  bool few;
};

class Attention {
 public:
  Attention(const Block& block, State& state, float* qkv, float* out)
      : block_(block),
        b_(block.spec),
        s_(state),
        qkv_(qkv),
        out_(out),
        group_(b_.n_heads / b_.n_kv_heads),
        width_((b_.n_heads + 2 * b_.n_kv_heads) * b_.d_head),
        out_width_(b_.n_heads * b_.d_head),
        scale_(static_cast<float>(1.0 / std::sqrt(static_cast<double>(b_.d_head)))) {}

  // Norms and rotates row `row` of the pass and appends it to the cache as new token t.
  void append(i64 row, i64 t, KvCache& cache, const RopeTable* table) {
    float* heads = qkv_ + row * width_;
    if (block_.q_norm) norm_heads(*block_.q_norm, heads, b_.n_heads);
    if (block_.k_norm) norm_heads(*block_.k_norm, heads + b_.n_heads * b_.d_head, b_.n_kv_heads);
    if (table) {
      const i64 half = b_.d_head / 2;
      const float* cos = table->cos.data() + row * half;
      const float* sin = table->sin.data() + row * half;
      for (i64 h = 0; h < b_.n_heads + b_.n_kv_heads; ++h) {
        s_.k.rope(heads + h * b_.d_head, cos, sin, half);
      }
    }
    const float* keys = heads + b_.n_heads * b_.d_head;
    cache.append(b_.layer, t, keys, keys + b_.n_kv_heads * b_.d_head);
  }

  // One position, all heads of one kv head: keys and values are read once.
  void decode(const Task& task, int worker) {
    const KvCache& cache = *task.cache;
    const i64 E = b_.d_head;
    const i64 keys = task.before + task.first + 1;
    float* scores = s_.workers[static_cast<size_t>(worker)].scores.grow<float>(
        static_cast<size_t>(group_ * keys));
    const i64 row = task.row + task.first;
    const i64 head = task.head * group_;
    const float* q = qkv_ + row * width_ + head * E;
    float* y = out_ + row * out_width_ + head * E;
    const GemvShape dots{.rows = keys, .cols = E, .ldw = E, .n = group_, .ldx = E, .ldy = keys};
    const GemvShape sums{.rows = keys, .cols = E, .ldw = E, .n = group_, .ldx = keys, .ldy = E};
    const KvSpan k = cache.keys(b_.layer, task.head), v = cache.values(b_.layer, task.head);
    stored_kernels(s_.k, k.dtype).gemv(k.data, q, nullptr, scores, dots);
    for (i64 g = 0; g < group_; ++g) s_.k.softmax(scores + g * keys, scale_, keys);
    stored_kernels(s_.k, v.dtype).weighted_rows(v.data, scores, y, sums);
  }

  // A block of positions of one head, as two matrix products. Keys are taken up to the next
  // multiple of kRowGroup, so that few shapes occur; what lies behind a position gets weight 0.
  void prefill(const Task& task, int worker) {
    const KvCache& cache = *task.cache;
    State::Worker& w = s_.workers[static_cast<size_t>(worker)];
    const i64 E = b_.d_head;
    const i64 before = task.before + task.first;
    const i64 keys = div_up(before + task.n, KvCache::kRowGroup) * KvCache::kRowGroup;
    const i64 kv_head = task.head / group_;
    const float* k = rows_of(cache.keys(b_.layer, kv_head), task, keys, w.keys);
    const float* v = rows_of(cache.values(b_.layer, kv_head), task, keys, w.values);
    const i64 row = task.row + task.first;
    float* scores = w.scores.grow<float>(static_cast<size_t>(task.n * keys));
    w.gemm({.m = task.n, .n = keys, .k = E, .lda = width_, .ldb = E, .ldc = keys},
           qkv_ + row * width_ + task.head * E, k, scores);
    for (i64 t = 0; t < task.n; ++t) {
      const i64 seen = before + t + 1;
      float* line = scores + t * keys;
      s_.k.softmax(line, scale_, seen);
      std::fill(line + seen, line + keys, 0.0f);
    }
    w.gemm({.m = task.n,
            .n = E,
            .k = keys,
            .lda = keys,
            .ldb = E,
            .ldc = out_width_,
            .b_transposed = false},
           scores, v, out_ + row * out_width_ + task.head * E);
  }

 private:
  void norm_heads(const Norm& norm, float* heads, i64 n) const {
    const float eps = static_cast<float>(norm.spec.eps);
    for (i64 h = 0; h < n; ++h) {
      float* head = heads + h * b_.d_head;
      norm.kernel->run(head, norm.weight, norm.bias, eps, head, b_.d_head);
    }
  }
  // The rows that a block of queries sees, one behind the other, and finite ones up to `keys`:
  // where they lie if they do so there, else in `scratch`.
  const float* rows_of(const KvSpan& span, const Task& task, i64 keys, Buffer& scratch) const {
    const i64 E = b_.d_head;
    const bool is_whole = task.own == task.before;
    if (is_whole && span.dtype == DType::kF32) return static_cast<const float*>(span.data);
    float* rows = scratch.grow<float>(static_cast<size_t>(keys * E));
    const auto widen = stored_kernels(s_.k, span.dtype).widen;
    if (is_whole) {
      widen(span.data, rows, keys * E);
      return rows;
    }
    const i64 end = task.first + task.n;
    const char* own = static_cast<const char*>(span.data) + stored_bytes(span.dtype, task.own * E);
    widen(span.data, rows, task.before * E);
    widen(own, rows + task.before * E, end * E);
    std::fill(rows + (task.before + end) * E, rows + keys * E, 0.0f);
    return rows;
  }

  const Block& block_;
  const BlockSpec& b_;
  State& s_;
  float* qkv_;
  float* out_;
  i64 group_, width_, out_width_;
  float scale_;
};

}  // namespace

void attend(const Block& loaded, State& state, std::span<const Run> runs, float* qkv, float* out) {
  Attention attention(loaded, state, qkv, out);
  const BlockSpec& block = loaded.spec;
  const RopeTable* table = block.rope ? &state.rotation(*block.rope) : nullptr;
  std::vector<Task> tasks;
  i64 row = 0;
  for (const Run& run : runs) {
    const i64 n = static_cast<i64>(run.tokens.size());
    state.for_rows(n, [&](i64 t) { attention.append(row + t, t, *run.cache, table); });
    bool cleared = false;
    for (const Piece& piece : pieces_of(run)) {
      const i64 own = run.cache->length() + piece.first;
      const bool few = piece.n < kFewQueries && own == piece.before;
      if (!few && !cleared) run.cache->clear_behind(block.layer, n);
      cleared |= !few;
      const i64 step = few ? 1 : kQueryBlock;
      const i64 heads = few ? block.n_kv_heads : block.n_heads;
      // The last queries see most keys: first, so that no thread is left with a long one at the
      // end.
      for (i64 first = (piece.n - 1) / step * step; first >= 0; first -= step) {
        for (i64 head = 0; head < heads; ++head) {
          tasks.push_back({run.cache, row + piece.first, piece.before, own, first,
                           std::min(step, piece.n - first), head, few});
        }
      }
    }
    row += n;
  }
  state.pool.parallel_for(static_cast<i64>(tasks.size()), [&](i64 i, int worker) {
    const Task& task = tasks[static_cast<size_t>(i)];
    if (task.few) {
      attention.decode(task, worker);
    } else {
      attention.prefill(task, worker);
    }
  });
}

}  // namespace lathe::infer
