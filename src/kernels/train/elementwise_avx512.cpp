// Activations with their gradients, casts and sums. An activation is exp2_ps and a few products;
// its relative error is far below the 2^-8 of rounding to bf16, in the tails too, because what is
// small there is never computed as a difference from 1.
#include "kernels/train/avx512_math.h"
#include "kernels/train/avx512_parts.h"

namespace lathe::avx512 {

namespace {

constexpr float kLog2e = 1.4426950408889634f;

inline __m512 constant(float x) { return _mm512_set1_ps(x); }

inline const uint16_t* bits(const Bf16* p) { return reinterpret_cast<const uint16_t*>(p); }
inline uint16_t* bits(Bf16* p) { return reinterpret_cast<uint16_t*>(p); }

// σ(u) = 1 / (1 + e^−u) and 1 − σ(u) = e^−u · σ(u), from u·log₂e; both stay above 2^-127.
struct Sigmoid {
  __m512 value;
  __m512 complement;
};
inline Sigmoid sigmoid_of_log2(__m512 u_log2e) {
  const __m512 u = clamp_ps(u_log2e, -126.0f, 126.0f);
  const __m512 e = exp2_ps(_mm512_sub_ps(_mm512_setzero_ps(), u));
  const __m512 s = reciprocal_ps(_mm512_add_ps(constant(1.0f), e));
  return {s, _mm512_mul_ps(e, s)};
}

// ½ (1 + tanh(u)) = σ(2u) with u = √(2/π) · (x + 0.044715 x³) (Hendrycks and Gimpel 2016,
// arXiv:1606.08415, section 2).
constexpr float kCubic = 0.044715f;
constexpr float kTwiceSqrt2OverPi = 1.5957691216057308f;
inline Sigmoid tanh_gate(__m512 x) {
  const __m512 inner =
      _mm512_fmadd_ps(constant(kCubic), _mm512_mul_ps(x, x), constant(1.0f));  // u / (x·√(2/π))
  return sigmoid_of_log2(
      _mm512_mul_ps(_mm512_mul_ps(x, constant(kTwiceSqrt2OverPi * kLog2e)), inner));
}

// Past this, σ(2u) is 0 or 1 in f32 and x² must not overflow.
constexpr float kGeluRange = 30.0f;

struct GeluTanh {
  static __m512 value(__m512 x) {
    return _mm512_mul_ps(x, tanh_gate(clamp_ps(x, -kGeluRange, kGeluRange)).value);
  }
  static __m512 slope(__m512 wide_x) {
    const __m512 x = clamp_ps(wide_x, -kGeluRange, kGeluRange);
    const Sigmoid s = tanh_gate(x);
    const __m512 inner_slope =  // (2u)'
        _mm512_fmadd_ps(constant(3 * kCubic * kTwiceSqrt2OverPi), _mm512_mul_ps(x, x),
                        constant(kTwiceSqrt2OverPi));
    const __m512 steep = _mm512_mul_ps(_mm512_mul_ps(s.value, s.complement), inner_slope);
    return _mm512_fmadd_ps(x, steep, s.value);
  }
};

// The normal distribution's Φ(x), and e^(−x²/2). With z = |x|/√2 and t = 1/(1 + z/2),
// erfc(z) = e^(−z²) · P(t), P a minimax polynomial of relative error 2e-5 for z ≤ 10; then
// Φ(−|x|) = erfc(z) / 2 keeps its relative accuracy in the tail.
struct Normal {
  __m512 cdf;
  __m512 bell;
};
inline Normal normal(__m512 x) {
  const __m512 magnitude = _mm512_abs_ps(x);
  const __m512 t =
      reciprocal_ps(_mm512_fmadd_ps(magnitude, constant(0.35355339059327373f), constant(1.0f)));
  const __m512 bell = exp2_ps(_mm512_mul_ps(_mm512_mul_ps(x, x), constant(-0.5f * kLog2e)));
  __m512 p = constant(-0.1959979430508231f);
  p = _mm512_fmadd_ps(p, t, constant(0.539402523281422f));
  p = _mm512_fmadd_ps(p, t, constant(0.040547484024188424f));
  p = _mm512_fmadd_ps(p, t, constant(0.3421649825222017f));
  p = _mm512_fmadd_ps(p, t, constant(0.27341256877701503f));
  p = _mm512_fmadd_ps(p, t, constant(0.0004900312072646627f));
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, bell), constant(0.5f));
  const __mmask16 positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
  return {_mm512_mask_sub_ps(tail, positive, constant(1.0f), tail), bell};
}

constexpr float kNormalRange = 14.0f;  // e^(−x²/2) is 0 in f32 there

struct Gelu {
  static __m512 value(__m512 x) {
    return _mm512_mul_ps(x, normal(clamp_ps(x, -kNormalRange, kNormalRange)).cdf);
  }
  static __m512 slope(__m512 wide_x) {
    const __m512 x = clamp_ps(wide_x, -kNormalRange, kNormalRange);
    const Normal n = normal(x);
    const __m512 density = _mm512_mul_ps(n.bell, constant(0.3989422804014327f));  // 1/√(2π)
    return _mm512_fmadd_ps(x, density, n.cdf);
  }
};

template <class Activation>
void activate(const uint16_t* x, uint16_t* y, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 16) {
    store_bf16(y + i, Activation::value(load_bf16(x + i, end - i)), end - i);
  }
}
template <class Activation>
void activate_backward(const uint16_t* x, const uint16_t* dy, uint16_t* dx, int64_t begin,
                       int64_t end) {
  for (int64_t i = begin; i < end; i += 16) {
    const __m512 slope = Activation::slope(load_bf16(x + i, end - i));
    store_bf16(dx + i, _mm512_mul_ps(load_bf16(dy + i, end - i), slope), end - i);
  }
}

}  // namespace

void gelu_tanh(const Bf16* x, Bf16* y, int64_t begin, int64_t end) {
  activate<GeluTanh>(bits(x), bits(y), begin, end);
}
void gelu_tanh_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t begin, int64_t end) {
  activate_backward<GeluTanh>(bits(x), bits(dy), bits(dx), begin, end);
}
void gelu(const Bf16* x, Bf16* y, int64_t begin, int64_t end) {
  activate<Gelu>(bits(x), bits(y), begin, end);
}
void gelu_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t begin, int64_t end) {
  activate_backward<Gelu>(bits(x), bits(dy), bits(dx), begin, end);
}

// SwiGLU (Shazeer 2020, arXiv:2002.05202).
void swiglu(const Bf16* x, Bf16* y, int64_t F, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const uint16_t* gates = bits(x) + r * 2 * F;
    const uint16_t* values = gates + F;
    for (int64_t f = 0; f < F; f += 16) {
      const __m512 gate = load_bf16(gates + f, F - f);
      const Sigmoid s = sigmoid_of_log2(_mm512_mul_ps(gate, constant(kLog2e)));
      const __m512 silu = _mm512_mul_ps(gate, s.value);
      store_bf16(bits(y) + r * F + f, _mm512_mul_ps(silu, load_bf16(values + f, F - f)), F - f);
    }
  }
}

// silu'(g) = σ(g) · (1 + g · (1 − σ(g)))
void swiglu_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t F, int64_t begin,
                     int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const uint16_t* gates = bits(x) + r * 2 * F;
    uint16_t* d_gates = bits(dx) + r * 2 * F;
    for (int64_t f = 0; f < F; f += 16) {
      const int64_t n = F - f;
      const __m512 gate = load_bf16(gates + f, n);
      const __m512 value = load_bf16(gates + F + f, n);
      const __m512 grad = load_bf16(bits(dy) + r * F + f, n);
      const Sigmoid s = sigmoid_of_log2(_mm512_mul_ps(gate, constant(kLog2e)));
      // A gate of 1e35 must not meet a complement that stops at 2^-126.
      const __m512 bounded = clamp_ps(gate, -100.0f, 100.0f);
      const __m512 slope =
          _mm512_mul_ps(s.value, _mm512_fmadd_ps(bounded, s.complement, constant(1.0f)));
      store_bf16(d_gates + f, _mm512_mul_ps(_mm512_mul_ps(grad, value), slope), n);
      store_bf16(d_gates + F + f, _mm512_mul_ps(grad, _mm512_mul_ps(gate, s.value)), n);
    }
  }
}

void cast_to_bf16(const float* x, Bf16* y, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 16) {
    store_bf16(bits(y) + i, load_f32(x + i, end - i), end - i);
  }
}

void add_bf16(const Bf16* x, float scale, float* y, int64_t begin, int64_t end) {
  const __m512 factor = _mm512_set1_ps(scale);
  for (int64_t i = begin; i < end; i += 16) {
    const int64_t n = end - i;
    store_f32(y + i, _mm512_fmadd_ps(factor, load_bf16(bits(x) + i, n), load_f32(y + i, n)), n);
  }
}

// Eight rows at a time: as many sequential streams, and an eighth of the traffic of `sums`.
void add_column_sums(const Bf16* x, int64_t C, float* sums, int64_t begin, int64_t end) {
  constexpr int64_t step = 8;
  for (int64_t r = begin; r < end; r += step) {
    const int64_t rows = end - r < step ? end - r : step;
    for (int64_t c = 0; c < C; c += 16) {
      __m512 sum = _mm512_setzero_ps();
      for (int64_t i = 0; i < rows; ++i) {
        sum = _mm512_add_ps(sum, load_bf16(bits(x) + (r + i) * C + c, C - c));
      }
      store_f32(sums + c, _mm512_add_ps(load_f32(sums + c, C - c), sum), C - c);
    }
  }
}

}  // namespace lathe::avx512
