// The table of CPU kernels: one per instruction set, filled by isa_*.cpp, chosen by dispatch.h.
// Shape letters: rows × cols is a weight matrix (out, in); n counts activation vectors.
//
// Every function is pure, takes unaligned pointers, accepts sizes of 0, and starts no thread: the
// caller cuts the work. Includes nothing that has inline functions of its own, since isa_*.cpp are
// compiled for CPUs that the program may not run on.
#pragma once

#include "base/integer.h"

namespace lathe {

// Strides in elements. Activation vector t is x + t·ldx; result (t, r) is y[t·ldy + r·step].
struct GemvShape {
  i64 rows = 0, cols = 0, ldw = 0;
  i64 n = 1, ldx = 0, ldy = 0;
  i64 step = 1;
};

struct Kernels {
  const char* isa;

  // y[t·ldy + r·step] = bias[r·step] + Σ_c w[r·ldw + c] · x[t·ldx + c]; bias may be null. Meant for
  // few vectors: each weight is read from memory once for up to 4 of them. A result does not depend
  // on n or on the other rows, so the caller may cut rows and vectors anywhere.
  void (*gemv_f32)(const float* w, const float* x, const float* bias, float* y, const GemvShape&);
  void (*gemv_bf16)(const uint16_t* w, const float* x, const float* bias, float* y,
                    const GemvShape&);

  // y[t·ldy + c] = Σ_r x[t·ldx + r] · w[r·ldw + c]: rows weighted and summed (attention's values).
  void (*weighted_rows_f32)(const float* w, const float* x, float* y, const GemvShape&);
  void (*weighted_rows_bf16)(const uint16_t* w, const float* x, float* y, const GemvShape&);

  // y = (x − mean) / √(var + eps) · weight + bias over n values; bias may be null; y may be x.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* y,
                     i64 n);
  // y = x / √(mean x² + eps) · weight.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, i64 n);

  // y may be x. gelu_tanh: ½x(1 + tanh(√(2/π)(x + 0.044715 x³))); gelu: ½x(1 + erf(x/√2)).
  void (*gelu_tanh)(const float* x, float* y, i64 n);
  void (*gelu)(const float* x, float* y, i64 n);
  // y = gate / (1 + e^−gate) · value.
  void (*silu_mul)(const float* gate, const float* value, float* y, i64 n);

  // x = softmax(scale · x) in place.
  void (*softmax)(float* x, float scale, i64 n);
  // ln Σ e^x, by the largest x first.
  double (*log_sum_exp)(const float* x, i64 n);

  // Rotates the pairs (x[i], x[i + half]), i < half, by the angles whose cos and sin are given.
  void (*rope)(float* x, const float* cos, const float* sin, i64 half);

  void (*axpy)(float a, const float* x, float* y, i64 n);  // y += a·x

  // Round to nearest even, NaN stays NaN (base/dtype.h's Bf16).
  void (*to_bf16)(const float* x, uint16_t* y, i64 n);
  void (*from_bf16)(const uint16_t* x, float* y, i64 n);
};

// The tables; those for which the program was built with a compiler that knows them. Running one
// on a CPU that lacks the instructions is undefined: go through dispatch.h.
extern const Kernels kKernelsScalar;
extern const Kernels kKernelsAvx2;
extern const Kernels kKernelsAvx512;

}  // namespace lathe
