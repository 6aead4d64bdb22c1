// Causal attention, forward. Flash attention (Dao et al. 2022, arXiv:2205.14135, algorithm 1) with
// everything transposed: a block of 64 queries lies along the vectors, so that maxima and sums of
// the softmax run down the keys and need nothing horizontal. For a block of queries and each block
// of keys
//   Sᵀ = K · Qᵀ,   Pᵀ = 2^(c·Sᵀ − m),   Oᵀ = Oᵀ · diag(2^(m_old − m)) + Vᵀ · Pᵀ
// with c = scale · log₂e, m the running maximum of c·S.
#include "kernels/train/avx512_gemm.h"
#include "kernels/train/avx512_pack.h"
#include "kernels/train/avx512_parts.h"

namespace lathe::avx512 {

namespace {

constexpr float kMasked = -1e30f;  // a score that 2^x turns to 0, without the NaN of inf − inf
constexpr int kVectors = kBlock / 16;

struct Scratch {
  uint16_t* k;     // [T/64](64, Ep) rotated keys
  uint16_t* vt;    // [T/64](Ep, 64) values
  uint16_t* rows;  // (64, Ep) one block of q, or of v
  uint32_t* qt;    // [Ep/2][64][2] one block of queries
  uint32_t* p;     // [32][64][2] probabilities; also scratch of the packing, [32][Ep]
  float* s;        // (64, 64) scores, keys × queries
  float* ot;       // (Ep, 64) output
  float* o;        // (64, Ep)
  uintptr_t bytes;
};

Scratch lay_out(const AttentionShape& shape, uintptr_t base) {
  const int64_t Ep = padded_head(shape.E);
  const int64_t Tp = (shape.T + kBlock - 1) / kBlock * kBlock;
  Arena arena = {base, 0};
  Scratch s;
  s.k = take<uint16_t>(arena, Tp * Ep);
  s.vt = take<uint16_t>(arena, Tp * Ep);
  s.rows = take<uint16_t>(arena, kBlock * Ep);
  s.qt = take<uint32_t>(arena, Ep / 2 * kBlock);
  s.p = take<uint32_t>(arena, kBlock / 2 * (Ep > kBlock ? Ep : kBlock));
  s.s = take<float>(arena, kBlock * kBlock);
  s.ot = take<float>(arena, Ep * kBlock);
  s.o = take<float>(arena, Ep * kBlock);
  s.bytes = arena.used;
  return s;
}

// Running softmax of the queries of a block.
struct Softmax {
  alignas(64) float max[kBlock];    // of c·s
  alignas(64) float sum[kBlock];    // of 2^(c·s − max)
  alignas(64) float decay[kBlock];  // 2^(old max − max): what the last block of keys has changed
};

// Scores of the keys of a diagonal block above the diagonal.
void mask_diagonal(float* s) {
  for (int key = 0; key < kBlock; ++key) {
    for (int j = 0; j < kVectors; ++j) {
      const int hidden = key - 16 * j;  // queries before `key` do not see it
      if (hidden <= 0) break;
      float* at = s + key * kBlock + 16 * j;
      _mm512_mask_storeu_ps(at, first_lanes(hidden), _mm512_set1_ps(kMasked));
    }
  }
}

// s (64 keys, 64 queries) → p [32][64][2]; updates the running softmax.
void probabilities(const float* s, float c, Softmax& softmax, uint32_t* p) {
  const __m512 factor = _mm512_set1_ps(c);
  alignas(64) uint16_t order_words[32];
  for (int i = 0; i < 16; ++i) {
    order_words[2 * i] = static_cast<uint16_t>(i);
    order_words[2 * i + 1] = static_cast<uint16_t>(16 + i);
  }
  const __m512i order = _mm512_load_si512(order_words);
  for (int j = 0; j < kVectors; ++j) {
    __m512 top[4];
    for (int i = 0; i < 4; ++i) top[i] = _mm512_loadu_ps(s + i * kBlock + 16 * j);
    for (int key = 4; key < kBlock; key += 4) {
      for (int i = 0; i < 4; ++i) {
        top[i] = _mm512_max_ps(top[i], _mm512_loadu_ps(s + (key + i) * kBlock + 16 * j));
      }
    }
    const __m512 block_max =
        _mm512_max_ps(_mm512_max_ps(top[0], top[1]), _mm512_max_ps(top[2], top[3]));
    const __m512 old_max = _mm512_load_ps(softmax.max + 16 * j);
    const __m512 max = _mm512_max_ps(old_max, _mm512_mul_ps(factor, block_max));
    const __m512 decay = exp2_ps(_mm512_sub_ps(old_max, max));
    __m512 sum_even = _mm512_mul_ps(decay, _mm512_load_ps(softmax.sum + 16 * j));
    __m512 sum_odd = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int key = 0; key < kBlock; key += 2) {
      const float* at = s + key * kBlock + 16 * j;
      const __m512 even = exp2_ps(_mm512_fmsub_ps(factor, _mm512_loadu_ps(at), max));
      const __m512 odd = exp2_ps(_mm512_fmsub_ps(factor, _mm512_loadu_ps(at + kBlock), max));
      sum_even = _mm512_add_ps(sum_even, even);
      sum_odd = _mm512_add_ps(sum_odd, odd);
      _mm512_storeu_si512(p + key / 2 * kBlock + 16 * j,
                          _mm512_permutexvar_epi16(order, narrow_bf16(even, odd)));
    }
    _mm512_store_ps(softmax.max + 16 * j, max);
    _mm512_store_ps(softmax.decay + 16 * j, decay);
    _mm512_store_ps(softmax.sum + 16 * j, _mm512_add_ps(sum_even, sum_odd));
  }
}

// Sᵀ of a diagonal block: keys of the lower half are seen by queries of the lower half alone.
void diagonal_scores(const uint16_t* k, const uint32_t* qt, int64_t Ep, float* s) {
  constexpr int64_t half = kBlock / 2;
  gemm<Init::kZero>(half, kBlock, Ep / 2, k, Ep, qt, kBlock, nullptr, s, kBlock);
  gemm<Init::kZero>(half, half, Ep / 2, k + half * Ep, Ep, qt + half, kBlock, nullptr,
                    s + half * kBlock + half, kBlock);
  mask_diagonal(s);
}

// One block of n queries from t on; k and vt are ready up to it.
void forward_block(const AttentionShape& shape, const Scratch& at, int64_t t, int64_t n,
                   uint16_t* out, float* lse) {
  const int64_t Ep = padded_head(shape.E);
  const float log2e = 1.4426950408889634f;
  const float c = shape.scale * log2e;
  Softmax softmax;
  for (int i = 0; i < kBlock; ++i) {
    softmax.max[i] = kMasked;
    softmax.sum[i] = 0;
  }
  for (int64_t key = 0; key <= t; key += kBlock) {
    const uint16_t* k = at.k + key * Ep;
    if (key < t) {
      gemm<Init::kZero>(kBlock, kBlock, Ep / 2, k, Ep, at.qt, kBlock, nullptr, at.s, kBlock);
    } else {
      diagonal_scores(k, at.qt, Ep, at.s);
    }
    probabilities(at.s, c, softmax, at.p);
    const uint16_t* vt = at.vt + key * Ep;
    if (key == 0) {
      gemm<Init::kZero>(Ep, kBlock, kBlock / 2, vt, kBlock, at.p, kBlock, nullptr, at.ot, kBlock);
    } else {
      gemm<Init::kScaled>(Ep, kBlock, kBlock / 2, vt, kBlock, at.p, kBlock, softmax.decay, at.ot,
                          kBlock);
    }
  }
  transpose_words(at.ot, Ep, kBlock, at.o);
  for (int64_t r = 0; r < n; ++r) {
    write_block(at.o + r * Ep, Ep, 1.0f / softmax.sum[r], t + r, 1, shape.E, nullptr, nullptr, out,
                shape.H * shape.E);
    lse[t + r] = (softmax.max[r] + __builtin_log2f(softmax.sum[r])) / log2e;
  }
}

// One kv head of one sequence; qkv, out at the sequence's first row, lse at its (H, T).
void forward_unit(const AttentionShape& shape, const uint16_t* qkv, uint16_t* out, float* lse,
                  int64_t kv_head, const Scratch& at) {
  const int64_t E = shape.E, Ep = padded_head(E);
  const int64_t group = shape.H / shape.K;
  const int64_t stride = (shape.H + 2 * shape.K) * E;
  const uint16_t* k = qkv + (shape.H + kv_head) * E;
  const uint16_t* v = k + shape.K * E;
  for (int64_t t = 0; t < shape.T; t += kBlock) {
    const int64_t n = shape.T - t < kBlock ? shape.T - t : kBlock;
    copy_block(k, stride, t, n, E, Ep, shape.cos, shape.sin, at.k + t * Ep);
    copy_block(v, stride, t, n, E, Ep, nullptr, nullptr, at.rows);
    transpose_block(at.rows, Ep, at.p, at.vt + t * Ep);
  }
  for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
    for (int64_t t = 0; t < shape.T; t += kBlock) {
      const int64_t n = shape.T - t < kBlock ? shape.T - t : kBlock;
      copy_block(qkv + h * E, stride, t, n, E, Ep, shape.cos, shape.sin, at.rows);
      transpose_words(at.rows, kBlock, Ep / 2, at.qt);
      forward_block(shape, at, t, n, out + h * E, lse + h * shape.T);
    }
  }
}

}  // namespace

int64_t attention_forward_scratch_bytes(const AttentionShape& shape) {
  return static_cast<int64_t>(lay_out(shape, 0).bytes) + 63;
}

void attention_forward(const AttentionForward& args, int64_t begin, int64_t end, void* scratch) {
  const AttentionShape& shape = args.shape;
  const Scratch at = lay_out(shape, (reinterpret_cast<uintptr_t>(scratch) + 63) & ~uintptr_t{63});
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t b = unit / shape.K;
    const auto* qkv = reinterpret_cast<const uint16_t*>(args.qkv);
    auto* out = reinterpret_cast<uint16_t*>(args.out);
    forward_unit(shape, qkv + b * shape.T * (shape.H + 2 * shape.K) * shape.E,
                 out + b * shape.T * shape.H * shape.E, args.lse + b * shape.H * shape.T,
                 unit % shape.K, at);
  }
}

}  // namespace lathe::avx512
