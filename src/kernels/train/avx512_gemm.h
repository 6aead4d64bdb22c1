// The matrix product of the attention kernels, on blocks that fit the caches:
//   C (m, n) f32 (+)= A (m, k) bf16 · B (k, n) bf16.
// A is row-major, so that a pair along k is one 32-bit broadcast; B is packed [k/2][n][2], so that
// a zmm holds the pairs of 16 columns. vdpbf16ps then multiplies 16 columns by 2 of k without any
// horizontal sum. m and k are even, n is a multiple of 32.
#pragma once

#include "kernels/train/avx512_math.h"

namespace lathe {

enum class Init {
  kZero,    // C = A·B
  kAdd,     // C += A·B
  kScaled,  // C = C · diag(column_scale) + A·B
};

// 6 × 4 zmm of C: 24 accumulators, 4 of B and the broadcast leave 3 of the 32 registers free, and a
// step loads 10 times for 24 products. Zen 4 issues one of each a cycle.
constexpr int kTileRows = 6;
constexpr int kTileVectors = 4;

template <int M, int N, Init init>
static inline void gemm_tile(const uint16_t* a, int64_t lda, const uint32_t* b, int64_t ldb,
                             int64_t pairs, const float* column_scale, float* c, int64_t ldc) {
  __m512 sum[M][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    const __m512 factor =
        init == Init::kScaled ? _mm512_loadu_ps(column_scale + 16 * j) : _mm512_setzero_ps();
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
      if constexpr (init == Init::kZero) sum[i][j] = factor;
      if constexpr (init == Init::kAdd) sum[i][j] = _mm512_loadu_ps(c + i * ldc + 16 * j);
      if constexpr (init == Init::kScaled) {
        sum[i][j] = _mm512_mul_ps(factor, _mm512_loadu_ps(c + i * ldc + 16 * j));
      }
    }
  }
  for (int64_t p = 0; p < pairs; ++p) {
    __m512bh b_row[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) b_row[j] = (__m512bh)_mm512_loadu_si512(b + p * ldb + 16 * j);
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) {
      int pair;
      __builtin_memcpy(&pair, a + i * lda + 2 * p, sizeof pair);
      const __m512bh a_pair = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], a_pair, b_row[j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) _mm512_storeu_ps(c + i * ldc + 16 * j, sum[i][j]);
  }
}

// m ≤ kTileRows rows (an even number) of N vectors of C.
template <int N, Init init>
static void gemm_row_tile(int64_t m, const uint16_t* a, int64_t lda, const uint32_t* b, int64_t ldb,
                          int64_t pairs, const float* column_scale, float* c, int64_t ldc) {
  if (m == 6) gemm_tile<6, N, init>(a, lda, b, ldb, pairs, column_scale, c, ldc);
  if (m == 4) gemm_tile<4, N, init>(a, lda, b, ldb, pairs, column_scale, c, ldc);
  if (m == 2) gemm_tile<2, N, init>(a, lda, b, ldb, pairs, column_scale, c, ldc);
}

// column_scale (n) belongs to Init::kScaled; null otherwise.
template <Init init>
static void gemm(int64_t m, int64_t n, int64_t pairs, const uint16_t* a, int64_t lda,
                 const uint32_t* b, int64_t ldb, const float* column_scale, float* c, int64_t ldc) {
  for (int64_t j = 0; j < n; j += 16 * kTileVectors) {
    const float* scale = init == Init::kScaled ? column_scale + j : nullptr;
    for (int64_t i = 0; i < m; i += kTileRows) {
      const int64_t rows = m - i < kTileRows ? m - i : kTileRows;
      if (n - j >= 64) {
        gemm_row_tile<4, init>(rows, a + i * lda, lda, b + j, ldb, pairs, scale, c + i * ldc + j,
                               ldc);
      } else {
        gemm_row_tile<2, init>(rows, a + i * lda, lda, b + j, ldb, pairs, scale, c + i * ldc + j,
                               ldc);
      }
    }
  }
}

}  // namespace lathe
