// Brings the rows of attention heads into the layouts of avx512_gemm.h, applies and undoes the
// rotary embedding on the way, and writes f32 blocks back as rows. `Ep` is the head dim padded
// with zeros to a multiple of 32, so that nothing behind this file has a remainder.
#pragma once

#include "kernels/train/avx512_math.h"

namespace lathe {

// Queries and keys are handled in blocks of this many rows; the last one is padded with zeros.
constexpr int64_t kBlock = 64;

static inline int64_t padded_head(int64_t E) { return (E + 31) / 32 * 32; }

// Rotates the E f32 of `x` in place by one row of the rotary tables; `direction` −1 undoes it.
static inline void rotate(float* x, int64_t E, const float* cos, const float* sin,
                          float direction) {
  const int64_t half = E / 2;
  const __m512 sign = _mm512_set1_ps(direction);
  for (int64_t i = 0; i < half; i += 16) {
    const int64_t n = half - i;
    const __m512 c = load_f32(cos + i, n);
    const __m512 s = _mm512_mul_ps(sign, load_f32(sin + i, n));
    const __m512 a = load_f32(x + i, n);
    const __m512 b = load_f32(x + half + i, n);
    store_f32(x + i, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)), n);
    store_f32(x + half + i, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)), n);
  }
}

// One row (E) of a head → (Ep) bf16, rotated when cos is not null.
static inline void copy_row(const uint16_t* src, int64_t E, int64_t Ep, const float* cos,
                            const float* sin, uint16_t* dst) {
  if (cos == nullptr) {
    for (int64_t e = 0; e < Ep; e += 16) {
      const __m256i x = _mm256_maskz_loadu_epi16(first_lanes(E - e), src + e);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + e), x);
    }
    return;
  }
  float row[256];
  for (int64_t e = 0; e < Ep; e += 16) {
    _mm512_storeu_ps(row + e, load_bf16(src + e, E - e));
  }
  rotate(row, E, cos, sin, 1.0f);
  for (int64_t e = 0; e < Ep; e += 16) store_bf16(dst + e, _mm512_loadu_ps(row + e), 16);
}

// Rows [t, t + kBlock) of a head, `n` of them real → (kBlock, Ep) bf16.
static void copy_block(const uint16_t* src, int64_t src_stride, int64_t t, int64_t n, int64_t E,
                       int64_t Ep, const float* cos, const float* sin, uint16_t* dst) {
  for (int64_t r = 0; r < n; ++r) {
    const float* c = cos == nullptr ? nullptr : cos + (t + r) * (E / 2);
    const float* s = cos == nullptr ? nullptr : sin + (t + r) * (E / 2);
    copy_row(src + (t + r) * src_stride, E, Ep, c, s, dst + r * Ep);
  }
  __builtin_memset(dst + n * Ep, 0, static_cast<size_t>((kBlock - n) * Ep) * sizeof *dst);
}

// 16 × 16 words of 32 bits. Each step doubles the size of the transposed squares: 1 and 2 words
// inside the 128-bit lanes, then whole lanes.
static inline void transpose_16x16(const uint32_t* src, int64_t src_stride, uint32_t* dst,
                                   int64_t dst_stride) {
  __m512i a[16];
  __m512i b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(src + i * src_stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  // Lane l of a[4g + w] becomes column 4l + w of rows 4g … 4g + 3.
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
#pragma GCC unroll 4
  for (int w = 0; w < 4; ++w) {
    const __m512i even_top = _mm512_shuffle_i32x4(a[w], a[4 + w], 0x88);  // lanes 0, 2 | 0, 2
    const __m512i odd_top = _mm512_shuffle_i32x4(a[w], a[4 + w], 0xdd);   // lanes 1, 3 | 1, 3
    const __m512i even_low = _mm512_shuffle_i32x4(a[8 + w], a[12 + w], 0x88);
    const __m512i odd_low = _mm512_shuffle_i32x4(a[8 + w], a[12 + w], 0xdd);
    _mm512_storeu_si512(dst + w * dst_stride, _mm512_shuffle_i32x4(even_top, even_low, 0x88));
    _mm512_storeu_si512(dst + (4 + w) * dst_stride, _mm512_shuffle_i32x4(odd_top, odd_low, 0x88));
    _mm512_storeu_si512(dst + (8 + w) * dst_stride, _mm512_shuffle_i32x4(even_top, even_low, 0xdd));
    _mm512_storeu_si512(dst + (12 + w) * dst_stride, _mm512_shuffle_i32x4(odd_top, odd_low, 0xdd));
  }
}

// (rows, columns) words → (columns, rows), both multiples of 16, without gaps.
static void transpose_words(const void* src, int64_t rows, int64_t columns, void* dst) {
  const auto* from = static_cast<const uint32_t*>(src);
  auto* to = static_cast<uint32_t*>(dst);
  for (int64_t r = 0; r < rows; r += 16) {
    for (int64_t c = 0; c < columns; c += 16) {
      transpose_16x16(from + r * columns + c, columns, to + c * rows + r, rows);
    }
  }
}

// 32 columns of the bf16 rows `even` and `odd` → [32][2].
static inline void interleave(__m512i even, __m512i odd, uint32_t* dst) {
  const __m512i low = _mm512_unpacklo_epi16(even, odd);  // columns 0–3, 8–11, 16–19, 24–27
  const __m512i high = _mm512_unpackhi_epi16(even, odd);
  const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
  _mm512_storeu_si512(dst, _mm512_permutex2var_epi64(low, first, high));
  _mm512_storeu_si512(dst + 16, _mm512_permutex2var_epi64(low, second, high));
}

// (kBlock, Ep) bf16 → [kBlock/2][Ep][2]: the B operand of a product along the rows.
static void interleave_block(const uint16_t* src, int64_t Ep, uint32_t* dst) {
  for (int64_t r = 0; r < kBlock; r += 2) {
    for (int64_t e = 0; e < Ep; e += 32) {
      interleave(_mm512_loadu_si512(src + r * Ep + e), _mm512_loadu_si512(src + (r + 1) * Ep + e),
                 dst + r / 2 * Ep + e);
    }
  }
}

// (kBlock, Ep) bf16 → (Ep, kBlock) bf16; `pairs` (kBlock/2, Ep) words is scratch.
static void transpose_block(const uint16_t* src, int64_t Ep, uint32_t* pairs, uint16_t* dst) {
  interleave_block(src, Ep, pairs);
  transpose_words(pairs, kBlock / 2, Ep, dst);
}

// (n, Ep) f32, times scale, unrotated when cos is not null → rows [t, t + n) of a head in bf16.
static void write_block(float* src, int64_t Ep, float scale, int64_t t, int64_t n, int64_t E,
                        const float* cos, const float* sin, uint16_t* dst, int64_t dst_stride) {
  const __m512 factor = _mm512_set1_ps(scale);
  for (int64_t r = 0; r < n; ++r) {
    float* row = src + r * Ep;
    if (cos != nullptr) rotate(row, E, cos + (t + r) * (E / 2), sin + (t + r) * (E / 2), -1.0f);
    for (int64_t e = 0; e < E; e += 16) {
      store_bf16(dst + (t + r) * dst_stride + e, _mm512_mul_ps(factor, _mm512_loadu_ps(row + e)),
                 E - e);
    }
  }
}

// Cuts the caller's scratch into aligned pieces; with base 0 it only counts the bytes.
struct Arena {
  uintptr_t base;
  uintptr_t used;
};
template <class T>
static inline T* take(Arena& arena, int64_t count) {
  const uintptr_t at = arena.used;
  arena.used += (static_cast<uintptr_t>(count) * sizeof(T) + 63) / 64 * 64;
  return reinterpret_cast<T*>(arena.base + at);
}

}  // namespace lathe
