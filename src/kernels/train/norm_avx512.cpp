// LayerNorm (Ba et al. 2016, arXiv:1607.06450) and RMSNorm (Zhang and Sennrich 2019,
// arXiv:1910.07467) of rows of an f32 residual stream. A row stays in the L1 cache between passes;
// the variance is taken around the mean, in its own pass.
#include "kernels/train/avx512_math.h"
#include "kernels/train/avx512_parts.h"

namespace lathe::avx512 {

namespace {

// x + delta → x_out; returns Σ x_out.
float add_delta(const float* x, const uint16_t* delta, int64_t D, float* x_out) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t d = 0; d < D; d += 16) {
    const __m512 v = _mm512_add_ps(load_f32(x + d, D - d), load_bf16(delta + d, D - d));
    store_f32(x_out + d, v, D - d);
    sum = _mm512_add_ps(sum, v);
  }
  return _mm512_reduce_add_ps(sum);
}

float sum_row(const float* x, int64_t D) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t d = 0; d < D; d += 16) sum = _mm512_add_ps(sum, load_f32(x + d, D - d));
  return _mm512_reduce_add_ps(sum);
}

// Σ (x − mean)²
float sum_squares(const float* x, int64_t D, float mean) {
  const __m512 center = _mm512_set1_ps(mean);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t d = 0; d < D; d += 16) {
    const __m512 v = _mm512_maskz_sub_ps(first_lanes(D - d), load_f32(x + d, D - d), center);
    sum = _mm512_fmadd_ps(v, v, sum);
  }
  return _mm512_reduce_add_ps(sum);
}

void write_normed(const float* x, const float* w, const float* b, int64_t D, float mean, float rstd,
                  uint16_t* y) {
  const __m512 center = _mm512_set1_ps(mean);
  const __m512 factor = _mm512_set1_ps(rstd);
  for (int64_t d = 0; d < D; d += 16) {
    const __m512 v = _mm512_mul_ps(_mm512_sub_ps(load_f32(x + d, D - d), center), factor);
    const __m512 shift = b == nullptr ? _mm512_setzero_ps() : load_f32(b + d, D - d);
    store_bf16(y + d, _mm512_fmadd_ps(v, load_f32(w + d, D - d), shift), D - d);
  }
}

// Σ g and Σ g·x̂ of a row, with g = dy·w and x̂ = (x − mean)·rstd; adds to dw and db.
struct RowSums {
  float g;
  float gx;
};
RowSums parameter_gradients(const NormBackward& args, const uint16_t* dy, const float* x,
                            float mean, float rstd) {
  const int64_t D = args.D;
  __m512 sum_g = _mm512_setzero_ps();
  __m512 sum_gx = _mm512_setzero_ps();
  for (int64_t d = 0; d < D; d += 16) {
    const int64_t n = D - d;
    const __m512 grad = load_bf16(dy + d, n);
    const __m512 normed = _mm512_mul_ps(_mm512_sub_ps(load_f32(x + d, n), _mm512_set1_ps(mean)),
                                        _mm512_set1_ps(rstd));
    const __m512 g = _mm512_mul_ps(grad, load_f32(args.w + d, n));
    sum_g = _mm512_add_ps(sum_g, g);
    sum_gx = _mm512_fmadd_ps(g, normed, sum_gx);
    store_f32(args.dw + d, _mm512_fmadd_ps(grad, normed, load_f32(args.dw + d, n)), n);
    if (args.db != nullptr) {
      store_f32(args.db + d, _mm512_add_ps(grad, load_f32(args.db + d, n)), n);
    }
  }
  return {_mm512_reduce_add_ps(sum_g), _mm512_reduce_add_ps(sum_gx)};
}

}  // namespace

void norm_forward(const NormForward& args, int64_t begin, int64_t end) {
  const int64_t D = args.D;
  for (int64_t r = begin; r < end; ++r) {
    const float* x = args.x + r * D;
    float mean = 0;
    if (args.delta != nullptr) {
      const float sum = add_delta(x, reinterpret_cast<const uint16_t*>(args.delta) + r * D, D,
                                  args.x_out + r * D);
      x = args.x_out + r * D;
      if (!args.rms) mean = sum / static_cast<float>(D);
    } else {
      if (!args.rms) mean = sum_row(x, D) / static_cast<float>(D);
      if (args.x_out != nullptr && args.x_out != args.x) {
        __builtin_memcpy(args.x_out + r * D, x, static_cast<size_t>(D) * sizeof(float));
      }
    }
    const float variance = sum_squares(x, D, mean) / static_cast<float>(D);
    const float rstd = 1.0f / __builtin_sqrtf(variance + args.eps);
    if (!args.rms) args.mean[r] = mean;
    args.rstd[r] = rstd;
    write_normed(x, args.w, args.b, D, mean, rstd, reinterpret_cast<uint16_t*>(args.y) + r * D);
  }
}

// dx = rstd · (g − mean(g) − x̂ · mean(g·x̂)), without mean(g) for RMS.
void norm_backward(const NormBackward& args, int64_t begin, int64_t end) {
  const int64_t D = args.D;
  for (int64_t r = begin; r < end; ++r) {
    const uint16_t* dy = reinterpret_cast<const uint16_t*>(args.dy) + r * D;
    const float* x = args.x + r * D;
    const float* dres = args.dres == nullptr ? nullptr : args.dres + r * D;
    uint16_t* dx_bf16 =
        args.dx_bf16 == nullptr ? nullptr : reinterpret_cast<uint16_t*>(args.dx_bf16) + r * D;
    const float mean = args.rms ? 0.0f : args.mean[r];
    const float rstd = args.rstd[r];
    const RowSums sums = parameter_gradients(args, dy, x, mean, rstd);
    // x̂ · mean(g·x̂) = (x − mean) · slope
    const __m512 slope = _mm512_set1_ps(sums.gx / static_cast<float>(D) * rstd);
    const __m512 offset = _mm512_set1_ps(args.rms ? 0.0f : sums.g / static_cast<float>(D));
    for (int64_t d = 0; d < D; d += 16) {
      const int64_t n = D - d;
      const __m512 g = _mm512_mul_ps(load_bf16(dy + d, n), load_f32(args.w + d, n));
      const __m512 centered = _mm512_sub_ps(load_f32(x + d, n), _mm512_set1_ps(mean));
      const __m512 inner = _mm512_fnmadd_ps(centered, slope, _mm512_sub_ps(g, offset));
      const __m512 residual = dres == nullptr ? _mm512_setzero_ps() : load_f32(dres + d, n);
      const __m512 dx = _mm512_fmadd_ps(_mm512_set1_ps(rstd), inner, residual);
      store_f32(args.dx + r * D + d, dx, n);
      if (dx_bf16 != nullptr) store_bf16(dx_bf16 + d, dx, n);
    }
  }
}

}  // namespace lathe::avx512
