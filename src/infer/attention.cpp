#include "infer/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/numeric.h"

namespace lathe::infer {

namespace {

// Queries that are worked on together; those of a run shorter than kFewQueries one by one.
constexpr i64 kQueryBlock = 64;
constexpr i64 kFewQueries = 8;

// A piece of work: queries [first, first + n) of a run for one kv head (few queries) or one head.
struct Task {
  const Run* run;
  i64 row;  // of the run's first token, in the pass
  i64 first, n;
  i64 head;
};

class Attention {
 public:
  Attention(const BlockSpec& block, State& state, float* qkv, float* out)
      : b_(block),
        s_(state),
        qkv_(qkv),
        out_(out),
        group_(b_.n_heads / b_.n_kv_heads),
        width_((b_.n_heads + 2 * b_.n_kv_heads) * b_.d_head),
        out_width_(b_.n_heads * b_.d_head),
        scale_(static_cast<float>(1.0 / std::sqrt(static_cast<double>(b_.d_head)))) {}

  // Rotates and stores row t of the pass.
  void remember(i64 t, KvCache& cache, const RopeTable* table) {
    const i64 E = b_.d_head;
    float* row = qkv_ + t * width_;
    float* k = row + b_.n_heads * E;
    if (table) {
      const float* cos = table->cos.data() + t * table->half;
      const float* sin = table->sin.data() + t * table->half;
      for (i64 h = 0; h < b_.n_heads + b_.n_kv_heads; ++h) {
        s_.k.rope(row + h * E, cos, sin, table->half);
      }
    }
    KvCache::Layer& layer = cache.layer(b_.layer);
    const i64 position = s_.positions[static_cast<size_t>(t)];
    for (i64 h = 0; h < b_.n_kv_heads; ++h) {
      const i64 at = (h * layer.rows + position) * E;
      store(cache.dtype(), k + h * E, layer.keys, at);
      store(cache.dtype(), k + (b_.n_kv_heads + h) * E, layer.values, at);
    }
  }

  // Zeros the values behind the last of `length` keys up to where many() reads: weight 0 would not
  // hide an infinity that a former sequence has left there.
  void clear_behind(KvCache& cache, i64 length) {
    KvCache::Layer& layer = cache.layer(b_.layer);
    const i64 rows = div_up(length, KvCache::kRowGroup) * KvCache::kRowGroup - length;
    const i64 size = b_.d_head * dtype_bytes(cache.dtype());
    for (i64 h = 0; h < b_.n_kv_heads; ++h) {
      std::memset(layer.values.as<char>() + (h * layer.rows + length) * size, 0,
                  static_cast<size_t>(rows * size));
    }
  }

  // One position, all heads of one kv head: keys and values are read once.
  void few(const Task& task, int worker) {
    KvCache& cache = *task.run->cache;
    KvCache::Layer& layer = cache.layer(b_.layer);
    const i64 E = b_.d_head;
    const i64 keys = cache.length() + task.first + 1;
    float* scores = s_.workers[static_cast<size_t>(worker)].scores.grow<float>(
        static_cast<size_t>(group_ * keys));
    const i64 row = task.row + task.first;
    const i64 head = task.head * group_;
    const float* q = qkv_ + row * width_ + head * E;
    float* y = out_ + row * out_width_ + head * E;
    const GemvShape dots{.rows = keys, .cols = E, .ldw = E, .n = group_, .ldx = E, .ldy = keys};
    const GemvShape sums{.rows = keys, .cols = E, .ldw = E, .n = group_, .ldx = keys, .ldy = E};
    const i64 at = task.head * layer.rows * E;
    const bool bf16 = cache.dtype() == DType::kBf16;
    if (bf16) {
      s_.k.gemv_bf16(layer.keys.as<uint16_t>() + at, q, nullptr, scores, dots);
    } else {
      s_.k.gemv_f32(layer.keys.as<float>() + at, q, nullptr, scores, dots);
    }
    for (i64 g = 0; g < group_; ++g) s_.k.softmax(scores + g * keys, scale_, keys);
    if (bf16) {
      s_.k.weighted_rows_bf16(layer.values.as<uint16_t>() + at, scores, y, sums);
    } else {
      s_.k.weighted_rows_f32(layer.values.as<float>() + at, scores, y, sums);
    }
  }

  // A block of positions of one head, as two matrix products. Keys are taken up to the next
  // multiple of kRowGroup, so that few shapes occur; what lies behind a position gets weight 0.
  void many(const Task& task, int worker) {
    KvCache& cache = *task.run->cache;
    KvCache::Layer& layer = cache.layer(b_.layer);
    State::Worker& w = s_.workers[static_cast<size_t>(worker)];
    const i64 E = b_.d_head;
    const i64 before = cache.length() + task.first;
    const i64 keys = div_up(before + task.n, KvCache::kRowGroup) * KvCache::kRowGroup;
    const i64 at = task.head / group_ * layer.rows * E;
    const float* k = load(cache.dtype(), layer.keys, at, keys * E, w.keys);
    const float* v = load(cache.dtype(), layer.values, at, keys * E, w.values);
    const i64 row = task.row + task.first;
    float* scores = w.scores.grow<float>(static_cast<size_t>(task.n * keys));
    w.gemm({.m = task.n, .n = keys, .k = E, .lda = width_, .ldb = E, .ldc = keys},
           qkv_ + row * width_ + task.head * E, k, nullptr, scores);
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
           scores, v, nullptr, out_ + row * out_width_ + task.head * E);
  }

 private:
  void store(DType type, const float* from, const Buffer& to, i64 at) const {
    if (type == DType::kBf16) {
      s_.k.to_bf16(from, to.as<uint16_t>() + at, b_.d_head);
    } else {
      std::memcpy(to.as<float>() + at, from, static_cast<size_t>(b_.d_head) * sizeof(float));
    }
  }
  const float* load(DType type, const Buffer& from, i64 at, i64 n, Buffer& scratch) const {
    if (type == DType::kF32) return from.as<float>() + at;
    float* wide = scratch.grow<float>(static_cast<size_t>(n));
    s_.k.from_bf16(from.as<uint16_t>() + at, wide, n);
    return wide;
  }

  const BlockSpec& b_;
  State& s_;
  float* qkv_;
  float* out_;
  i64 group_, width_, out_width_;
  float scale_;
};

}  // namespace

void attend(const BlockSpec& block, State& state, std::span<const Run> runs, float* qkv,
            float* out) {
  Attention attention(block, state, qkv, out);
  const RopeTable* table =
      block.rope ? &state.rotation(block.d_head / 2, block.rope_base) : nullptr;
  std::vector<Task> tasks;
  i64 row = 0;
  for (const Run& run : runs) {
    const i64 n = static_cast<i64>(run.tokens.size());
    state.for_rows(n, [&](i64 t) { attention.remember(row + t, *run.cache, table); });
    const bool few = n < kFewQueries;
    if (!few) attention.clear_behind(*run.cache, run.cache->length() + n);
    const i64 step = few ? 1 : kQueryBlock;
    const i64 heads = few ? block.n_kv_heads : block.n_heads;
    // The last queries see most keys: first, so that no thread is left with a long one at the end.
    for (i64 first = (n - 1) / step * step; first >= 0; first -= step) {
      for (i64 head = 0; head < heads; ++head) {
        tasks.push_back({&run, row, first, std::min(step, n - first), head});
      }
    }
    row += n;
  }
  state.pool.parallel_for(static_cast<i64>(tasks.size()), [&](i64 i, int worker) {
    const Task& task = tasks[static_cast<size_t>(i)];
    if (static_cast<i64>(task.run->tokens.size()) < kFewQueries) {
      attention.few(task, worker);
    } else {
      attention.many(task, worker);
    }
  });
}

}  // namespace lathe::infer
