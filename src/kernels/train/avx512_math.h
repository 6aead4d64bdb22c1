// Vector helpers of the AVX-512 files in this folder, which alone may include it. Everything here
// is static: a weak symbol compiled for AVX-512 could replace the program's own on older CPUs.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace lathe {

// n may be anything: at most 0 gives no lane, from 16 on all.
static inline __mmask16 first_lanes(int64_t n) {
  if (n <= 0) return 0;
  return static_cast<__mmask16>(n >= 16 ? 0xffff : (1 << n) - 1);
}

// The first n lanes of 16; the others are 0, and their memory is not touched.
static inline __m512 load_f32(const float* p, int64_t n) {
  return n >= 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first_lanes(n), p);
}
static inline void store_f32(float* p, __m512 x, int64_t n) {
  if (n >= 16) {
    _mm512_storeu_ps(p, x);
  } else {
    _mm512_mask_storeu_ps(p, first_lanes(n), x);
  }
}
static inline __m512 load_bf16(const void* p, int64_t n) {
  const __m256i x = n >= 16 ? _mm256_loadu_si256(static_cast<const __m256i*>(p))
                            : _mm256_maskz_loadu_epi16(first_lanes(n), p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
static inline __m256i narrow_bf16(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }
static inline void store_bf16(void* p, __m512 x, int64_t n) {
  if (n >= 16) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), narrow_bf16(x));
  } else {
    _mm256_mask_storeu_epi16(p, first_lanes(n), narrow_bf16(x));
  }
}
// 32 values: `low` first.
static inline __m512i narrow_bf16(__m512 low, __m512 high) {
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

// 2^x with relative error below 2e-7, and exactly 1 for 0: x = n + f, |f| ≤ 1/2, and 2^f a
// minimax polynomial of degree 5. 0 below the f32 range, inf above it; NaN for ±inf.
static inline __m512 exp2_ps(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 f = _mm512_sub_ps(x, n);
  __m512 p = _mm512_set1_ps(0.001326472731307149f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.009671512991189957f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.05550733581185341f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24022242426872253f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.6931470036506653f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

// x in [low, high]; NaN stays NaN, which is why the bounds come first.
static inline __m512 clamp_ps(__m512 x, float low, float high) {
  return _mm512_max_ps(_mm512_set1_ps(low), _mm512_min_ps(_mm512_set1_ps(high), x));
}

// 1 / x to f32 accuracy: one Newton step from 14 bits; a fraction of a division's time. x normal.
static inline __m512 reciprocal_ps(__m512 x) {
  const __m512 r = _mm512_rcp14_ps(x);
  return _mm512_mul_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(2.0f)));
}

}  // namespace lathe
