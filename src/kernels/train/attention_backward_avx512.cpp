// Causal attention, backward (Dao et al. 2022, arXiv:2205.14135, algorithm 4), with keys along the
// rows and a block of 64 queries along the vectors. For a block of keys and each block of queries
// not before it, with c = scale · log₂e and D = Σ_e dO ∘ O per query:
//   Sᵀ = K · Qᵀ,    Pᵀ = 2^(c·Sᵀ − lse·log₂e)      dV += Pᵀ · dO
//   dPᵀ = V · dOᵀ,  dSᵀ = Pᵀ ∘ (dPᵀ − D)            dK += dSᵀ · Q,   dQᵀ += Kᵀ · dSᵀ
// where dQ and dK take their factor `scale` when they are written. Sᵀ and dPᵀ live six rows at a
// time and never leave the L1 cache.
#include "kernels/train/avx512_gemm.h"
#include "kernels/train/avx512_pack.h"
#include "kernels/train/avx512_parts.h"

namespace lathe::avx512 {

namespace {

constexpr float kLog2e = 1.4426950408889634f;
constexpr int64_t kHalf = kBlock / 2;

// Block i of an array starts at i · (its block's size), which is 64 · Ep words or bf16 or less.
struct Scratch {
  uint16_t* k;      // [T/64](64, Ep) rotated
  uint16_t* kt;     // [T/64](Ep, 64)
  uint16_t* v;      // [T/64](64, Ep)
  uint32_t* qt;     // [T/64][Ep/2][64][2] rotated queries of one head
  uint32_t* q;      // [T/64][32][Ep][2] the same
  uint32_t* dot;    // [T/64][Ep/2][64][2] dO of one head
  uint32_t* dout;   // [T/64][32][Ep][2] the same
  float* lse;       // (T) · log₂e
  float* d;         // (T) D
  float* dqt;       // [T/64](Ep, 64)
  float* dk;        // [T/64](64, Ep), or of the current block alone where a unit has one query head
  float* dv;        // the same
  float* s;         // (6, 64) some rows of Sᵀ
  float* dp;        // (6, 64) the same rows of dPᵀ
  uint16_t* p;      // (64, 64) Pᵀ
  uint16_t* ds;     // (64, 64) dSᵀ
  uint32_t* dsp;    // [32][64][2] dSᵀ
  uint16_t* rows;   // (64, Ep)
  uint32_t* pairs;  // [32][Ep]
  float* dq;        // (64, Ep)
  uintptr_t bytes;
};

Scratch lay_out(const AttentionShape& shape, uintptr_t base) {
  const int64_t Ep = padded_head(shape.E);
  const int64_t Tp = (shape.T + kBlock - 1) / kBlock * kBlock;
  const int64_t sums = shape.H == shape.K ? kBlock : Tp;
  Arena arena = {base, 0};
  Scratch s;
  s.k = take<uint16_t>(arena, Tp * Ep);
  s.kt = take<uint16_t>(arena, Tp * Ep);
  s.v = take<uint16_t>(arena, Tp * Ep);
  s.qt = take<uint32_t>(arena, Tp * Ep / 2);
  s.q = take<uint32_t>(arena, Tp * Ep / 2);
  s.dot = take<uint32_t>(arena, Tp * Ep / 2);
  s.dout = take<uint32_t>(arena, Tp * Ep / 2);
  s.lse = take<float>(arena, Tp);
  s.d = take<float>(arena, Tp);
  s.dqt = take<float>(arena, Tp * Ep);
  s.dk = take<float>(arena, sums * Ep);
  s.dv = take<float>(arena, sums * Ep);
  s.s = take<float>(arena, kTileRows * kBlock);
  s.dp = take<float>(arena, kTileRows * kBlock);
  s.p = take<uint16_t>(arena, kBlock * kBlock);
  s.ds = take<uint16_t>(arena, kBlock * kBlock);
  s.dsp = take<uint32_t>(arena, kHalf * kBlock);
  s.rows = take<uint16_t>(arena, kBlock * Ep);
  s.pairs = take<uint32_t>(arena, kHalf * Ep);
  s.dq = take<float>(arena, kBlock * Ep);
  s.bytes = arena.used;
  return s;
}

// P and dS of 16 queries from `query` on, seen by the key of the same number and those before.
struct Gradient {
  __m512 p;
  __m512 ds;
};
template <bool diagonal>
inline Gradient score_gradient(const float* s, const float* dp, const float* lse, const float* d,
                               __m512 c, int64_t key, int64_t query) {
  Gradient g;
  g.p = exp2_ps(_mm512_fmsub_ps(c, _mm512_loadu_ps(s), _mm512_loadu_ps(lse)));
  if (diagonal && key > query) {
    const auto seen = static_cast<__mmask16>(~first_lanes(key - query));
    g.p = _mm512_maskz_mov_ps(seen, g.p);
  }
  g.ds = _mm512_mul_ps(g.p, _mm512_sub_ps(_mm512_loadu_ps(dp), _mm512_loadu_ps(d)));
  return g;
}

// Rows [key, key + rows) of P and dS in all their layouts, for queries [first_query, 64), from the
// same rows of Sᵀ and dPᵀ.
template <bool diagonal>
void score_gradients(const Scratch& at, const float* lse, const float* d, __m512 c, int64_t key,
                     int64_t rows, int64_t first_query) {
  for (int64_t r = 0; r < rows; r += 2) {
    for (int64_t q = first_query; q < kBlock; q += 32) {
      __m512i ds[2];
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const float* s = at.s + (r + i) * kBlock + q;
        const float* dp = at.dp + (r + i) * kBlock + q;
        const Gradient low = score_gradient<diagonal>(s, dp, lse + q, d + q, c, key + r + i, q);
        const Gradient high = score_gradient<diagonal>(s + 16, dp + 16, lse + q + 16, d + q + 16, c,
                                                       key + r + i, q + 16);
        const int64_t to = (key + r + i) * kBlock + q;
        _mm512_storeu_si512(at.p + to, narrow_bf16(low.p, high.p));
        ds[i] = narrow_bf16(low.ds, high.ds);
        _mm512_storeu_si512(at.ds + to, ds[i]);
      }
      interleave(ds[0], ds[1], at.dsp + (key + r) / 2 * kBlock + q);
    }
  }
}

// What block `key` of keys and block `query` of queries add to dQᵀ, dK and dV.
template <bool diagonal>
void score_block(const Scratch& at, int64_t Ep, float scale, int64_t key, int64_t query) {
  const uint16_t* k = at.k + key * Ep;
  const uint16_t* v = at.v + key * Ep;
  const uint32_t* qt = at.qt + query * Ep / 2;
  const uint32_t* dot = at.dot + query * Ep / 2;
  const __m512 c = _mm512_set1_ps(scale * kLog2e);
  for (int64_t r = 0; r < kBlock; r += kTileRows) {
    const int64_t rows = kBlock - r < kTileRows ? kBlock - r : kTileRows;
    if (!diagonal || r < kHalf) {
      gemm_row_tile<4, Init::kZero>(rows, k + r * Ep, Ep, qt, kBlock, Ep / 2, nullptr, at.s,
                                    kBlock);
      gemm_row_tile<4, Init::kZero>(rows, v + r * Ep, Ep, dot, kBlock, Ep / 2, nullptr, at.dp,
                                    kBlock);
      score_gradients<diagonal>(at, at.lse + query, at.d + query, c, r, rows, 0);
    } else {
      gemm_row_tile<2, Init::kZero>(rows, k + r * Ep, Ep, qt + kHalf, kBlock, Ep / 2, nullptr,
                                    at.s + kHalf, kBlock);
      gemm_row_tile<2, Init::kZero>(rows, v + r * Ep, Ep, dot + kHalf, kBlock, Ep / 2, nullptr,
                                    at.dp + kHalf, kBlock);
      score_gradients<diagonal>(at, at.lse + query, at.d + query, c, r, rows, kHalf);
    }
  }
}

// C (64, Ep) = or += A (keys, queries) · B [32][Ep][2]. On the diagonal, keys of the lower half
// are seen by queries of the lower half alone: that quarter of A is not even written.
template <Init init>
void add_keys(bool diagonal, const uint16_t* a, const uint32_t* b, int64_t Ep, float* c) {
  if (!diagonal) {
    gemm<init>(kBlock, Ep, kHalf, a, kBlock, b, Ep, nullptr, c, Ep);
    return;
  }
  gemm<init>(kHalf, Ep, kHalf, a, kBlock, b, Ep, nullptr, c, Ep);
  gemm<init>(kHalf, Ep, kHalf / 2, a + kHalf * kBlock + kHalf, kBlock, b + kHalf / 2 * Ep, Ep,
             nullptr, c + kHalf * Ep, Ep);
}

// C (Ep, 64) = or += A (Ep, keys) · dSᵀ [32][64][2].
template <Init init>
void add_queries(bool diagonal, const uint16_t* a, const uint32_t* b, int64_t Ep, float* c) {
  if (!diagonal) {
    gemm<init>(Ep, kBlock, kHalf, a, kBlock, b, kBlock, nullptr, c, kBlock);
    return;
  }
  gemm<init>(Ep, kHalf, kHalf / 2, a, kBlock, b, kBlock, nullptr, c, kBlock);
  gemm<init>(Ep, kHalf, kHalf, a, kBlock, b + kHalf, kBlock, nullptr, c + kHalf, kBlock);
}

// Σ_e a·b of one row of bf16.
float row_dot(const uint16_t* a, const uint16_t* b, int64_t E) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t e = 0; e < E; e += 16) {
    sum = _mm512_fmadd_ps(load_bf16(a + e, E - e), load_bf16(b + e, E - e), sum);
  }
  return _mm512_reduce_add_ps(sum);
}

// The part of the arguments that belongs to one kv head of one sequence.
struct Unit {
  const uint16_t* q;  // first query head, rows `stride` apart; so k, v
  const uint16_t* k;
  const uint16_t* v;
  int64_t stride;
  const uint16_t* out;  // first query head, rows H·E apart; so dout
  const uint16_t* dout;
  const float* lse;  // (group, T)
  uint16_t* dq;      // as q, k, v
  uint16_t* dk;
  uint16_t* dv;
};

int64_t block_rows(const AttentionShape& shape, int64_t t) {
  return shape.T - t < kBlock ? shape.T - t : kBlock;
}

void pack_keys(const AttentionShape& shape, const Unit& unit, const Scratch& at) {
  const int64_t E = shape.E, Ep = padded_head(E);
  for (int64_t t = 0; t < shape.T; t += kBlock) {
    const int64_t n = block_rows(shape, t);
    copy_block(unit.k, unit.stride, t, n, E, Ep, shape.cos, shape.sin, at.k + t * Ep);
    copy_block(unit.v, unit.stride, t, n, E, Ep, nullptr, nullptr, at.v + t * Ep);
    transpose_block(at.k + t * Ep, Ep, at.pairs, at.kt + t * Ep);
  }
}

void pack_queries(const AttentionShape& shape, const Unit& unit, int64_t head, const Scratch& at) {
  const int64_t E = shape.E, Ep = padded_head(E);
  for (int64_t t = 0; t < shape.T; t += kBlock) {
    const int64_t n = block_rows(shape, t);
    copy_block(unit.q + head * E, unit.stride, t, n, E, Ep, shape.cos, shape.sin, at.rows);
    transpose_words(at.rows, kBlock, Ep / 2, at.qt + t * Ep / 2);
    interleave_block(at.rows, Ep, at.q + t * Ep / 2);
    copy_block(unit.dout + head * E, shape.H * E, t, n, E, Ep, nullptr, nullptr, at.rows);
    transpose_words(at.rows, kBlock, Ep / 2, at.dot + t * Ep / 2);
    interleave_block(at.rows, Ep, at.dout + t * Ep / 2);
    for (int64_t r = 0; r < kBlock; ++r) {
      // Padding: dO and D are 0, so that whatever P is adds nothing.
      const int64_t row = (t + r) * shape.H * E + head * E;
      at.lse[t + r] = r < n ? unit.lse[head * shape.T + t + r] * kLog2e : 0.0f;
      at.d[t + r] = r < n ? row_dot(unit.dout + row, unit.out + row, E) : 0.0f;
    }
  }
}

// Everything one query head adds; writes its dq, and dk and dv after the last head of the group.
void backward_head(const AttentionShape& shape, const Unit& unit, int64_t head, const Scratch& at) {
  const int64_t E = shape.E, Ep = padded_head(E);
  const int64_t group = shape.H / shape.K;
  for (int64_t key = 0; key < shape.T; key += kBlock) {
    float* dk = at.dk + (group == 1 ? 0 : key * Ep);
    float* dv = at.dv + (group == 1 ? 0 : key * Ep);
    const uint16_t* kt = at.kt + key * Ep;
    for (int64_t query = key; query < shape.T; query += kBlock) {
      const bool diagonal = query == key;
      const uint32_t* q = at.q + query * Ep / 2;
      const uint32_t* dout = at.dout + query * Ep / 2;
      float* dqt = at.dqt + query * Ep;
      if (diagonal) {
        score_block<true>(at, Ep, shape.scale, key, query);
      } else {
        score_block<false>(at, Ep, shape.scale, key, query);
      }
      if (diagonal && head == 0) {
        add_keys<Init::kZero>(true, at.p, dout, Ep, dv);
        add_keys<Init::kZero>(true, at.ds, q, Ep, dk);
      } else {
        add_keys<Init::kAdd>(diagonal, at.p, dout, Ep, dv);
        add_keys<Init::kAdd>(diagonal, at.ds, q, Ep, dk);
      }
      if (key == 0) {
        add_queries<Init::kZero>(diagonal, kt, at.dsp, Ep, dqt);
      } else {
        add_queries<Init::kAdd>(diagonal, kt, at.dsp, Ep, dqt);
      }
    }
    // No later block of keys is seen by these queries.
    const int64_t n = block_rows(shape, key);
    transpose_words(at.dqt + key * Ep, Ep, kBlock, at.dq);
    write_block(at.dq, Ep, shape.scale, key, n, E, shape.cos, shape.sin, unit.dq + head * E,
                unit.stride);
    if (head + 1 == group) {
      write_block(dk, Ep, shape.scale, key, n, E, shape.cos, shape.sin, unit.dk, unit.stride);
      write_block(dv, Ep, 1.0f, key, n, E, nullptr, nullptr, unit.dv, unit.stride);
    }
  }
}

}  // namespace

int64_t attention_backward_scratch_bytes(const AttentionShape& shape) {
  return static_cast<int64_t>(lay_out(shape, 0).bytes) + 63;
}

void attention_backward(const AttentionBackward& args, int64_t begin, int64_t end, void* scratch) {
  const AttentionShape& shape = args.shape;
  const Scratch at = lay_out(shape, (reinterpret_cast<uintptr_t>(scratch) + 63) & ~uintptr_t{63});
  const int64_t group = shape.H / shape.K;
  const int64_t stride = (shape.H + 2 * shape.K) * shape.E;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t b = i / shape.K, kv_head = i % shape.K;
    const int64_t q_at = b * shape.T * stride + kv_head * group * shape.E;
    const int64_t k_at = b * shape.T * stride + (shape.H + kv_head) * shape.E;
    const int64_t v_at = k_at + shape.K * shape.E;
    const int64_t out_at = (b * shape.T * shape.H + kv_head * group) * shape.E;
    const auto* qkv = reinterpret_cast<const uint16_t*>(args.qkv);
    auto* dqkv = reinterpret_cast<uint16_t*>(args.dqkv);
    Unit unit;
    unit.q = qkv + q_at;
    unit.k = qkv + k_at;
    unit.v = qkv + v_at;
    unit.stride = stride;
    unit.out = reinterpret_cast<const uint16_t*>(args.out) + out_at;
    unit.dout = reinterpret_cast<const uint16_t*>(args.dout) + out_at;
    unit.lse = args.lse + (b * shape.H + kv_head * group) * shape.T;
    unit.dq = dqkv + q_at;
    unit.dk = dqkv + k_at;
    unit.dv = dqkv + v_at;
    pack_keys(shape, unit, at);
    for (int64_t head = 0; head < group; ++head) {
      pack_queries(shape, unit, head, at);
      backward_head(shape, unit, head, at);
    }
  }
}

}  // namespace lathe::avx512
