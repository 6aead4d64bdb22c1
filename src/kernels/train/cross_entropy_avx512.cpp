// Cross-entropy of rows of bf16 logits and its gradient, in place. A row is read from memory once
// and twice from the cache: 100 KB at the vocabulary of GPT-2.
#include "kernels/train/avx512_math.h"
#include "kernels/train/avx512_parts.h"

namespace lathe::avx512 {

namespace {

constexpr float kLog2e = 1.4426950408889634f;
constexpr int kChunk = 4;  // vectors whose maximum is taken before their sum

// 2^(x·log₂e − shift); a logit of −inf is one of probability 0.
inline __m512 exp_shifted(__m512 x, __m512 shift) {
  const __m512 y = _mm512_fmsub_ps(x, _mm512_set1_ps(kLog2e), shift);
  return exp2_ps(_mm512_max_ps(_mm512_set1_ps(-1000.0f), y));
}

// log₂ Σ exp(x) with a running maximum in each lane (Milakov and Gimelshein 2018,
// arXiv:1805.02867, algorithm 3). The maximum is kept as the rounded `shift` itself: a factor that
// is not exactly 1 while it stays would be applied once a chunk.
float log2_sum_exp(const uint16_t* x, int64_t V) {
  const __m512 log2e = _mm512_set1_ps(kLog2e);
  __m512 shift = _mm512_set1_ps(-1e30f);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t v = 0; v < V; v += 16 * kChunk) {
    __m512 part[kChunk];
    __m512 new_shift = shift;
    for (int i = 0; i < kChunk; ++i) {
      const int64_t n = V - v - 16 * i;
      part[i] = n > 0 ? load_bf16(x + v + 16 * i, n) : _mm512_setzero_ps();
      if (n < 16) {
        const __m512 nothing = _mm512_set1_ps(-__builtin_inff());
        part[i] = _mm512_mask_mov_ps(nothing, first_lanes(n), part[i]);
      }
      new_shift = _mm512_max_ps(new_shift, _mm512_mul_ps(part[i], log2e));
    }
    __m512 chunk_sum = exp_shifted(part[0], new_shift);
    for (int i = 1; i < kChunk; ++i) {
      chunk_sum = _mm512_add_ps(chunk_sum, exp_shifted(part[i], new_shift));
    }
    sum = _mm512_fmadd_ps(sum, exp2_ps(_mm512_sub_ps(shift, new_shift)), chunk_sum);
    shift = new_shift;
  }
  const float row_max = _mm512_reduce_max_ps(shift);
  const __m512 decay = exp2_ps(_mm512_sub_ps(shift, _mm512_set1_ps(row_max)));
  return row_max + __builtin_log2f(_mm512_reduce_add_ps(_mm512_mul_ps(sum, decay)));
}

// x ← exp(x − lse) · scale.
void write_softmax(uint16_t* x, int64_t V, float log2_sum, float scale) {
  const __m512 shift = _mm512_set1_ps(log2_sum);
  const __m512 factor = _mm512_set1_ps(scale);
  for (int64_t v = 0; v < V; v += 16) {
    const __m512 p = exp_shifted(load_bf16(x + v, V - v), shift);
    store_bf16(x + v, _mm512_mul_ps(p, factor), V - v);
  }
}

}  // namespace

void cross_entropy(const CrossEntropy& args, int64_t begin, int64_t end) {
  const int64_t V = args.V;
  for (int64_t r = begin; r < end; ++r) {
    uint16_t* x = reinterpret_cast<uint16_t*>(args.logits) + r * args.stride;
    const int64_t target = args.targets[r];
    if (target < 0) {
      args.loss[r] = 0.0f;
      __builtin_memset(x, 0, static_cast<size_t>(V) * sizeof *x);
      continue;
    }
    const __m512 target_logit = load_bf16(x + target, 1);
    const float log2_sum = log2_sum_exp(x, V);
    args.loss[r] = log2_sum / kLog2e - _mm512_cvtss_f32(target_logit);
    write_softmax(x, V, log2_sum, args.scale);
    // From the f32 probability: p − 1 of the rounded one would lose a confident row's gradient.
    const __m512 p = exp_shifted(target_logit, _mm512_set1_ps(log2_sum));
    const __m512 gradient =
        _mm512_mul_ps(_mm512_sub_ps(p, _mm512_set1_ps(1.0f)), _mm512_set1_ps(args.scale));
    store_bf16(x + target, gradient, 1);
  }
}

}  // namespace lathe::avx512
