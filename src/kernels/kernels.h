// The table of CPU kernels: one per instruction set, filled by isa_*.cpp, chosen by dispatch.h.
// Shape letters: rows × cols is a weight matrix (out, in); n counts activation vectors.
//
// Every function is pure, takes unaligned pointers, accepts sizes of 0, and starts no thread: the
// caller cuts the work. isa_*.cpp, which are compiled for CPUs that the program may not run on,
// must call no inline function of a header: a test looks at their symbols.
#pragma once

#include "base/dtype.h"
#include "base/integer.h"

namespace lathe {

// Strides in elements. Activation vector t is x + t·ldx; result (t, r) is y[t·ldy + r·step].
struct GemvShape {
  i64 rows = 0, cols = 0, ldw = 0;
  i64 n = 1, ldx = 0, ldy = 0;
  i64 step = 1;
};

// What a type of stored weights (base/dtype.h) can do, one row a type; functions that a type has
// not are null. Rows of a matrix of such a type are whole blocks; ldw counts values.
struct StoredKernels {
  // y[t·ldy + r·step] = bias[r·step] + Σ_c w[r·ldw + c] · x[t·ldx + c]; bias may be null. Meant for
  // few vectors: each weight is read from memory once for up to 4 of them. A result does not depend
  // on n or on the other rows, so the caller may cut rows and vectors anywhere.
  void (*gemv)(const void* w, const float* x, const float* bias, float* y, const GemvShape&);
  // y[t·ldy + c] = Σ_r x[t·ldx + r] · w[r·ldw + c]: rows weighted and summed (attention's values).
  void (*weighted_rows)(const void* w, const float* x, float* y, const GemvShape&);
  // n values to f32, and back, to the nearest, but for subnormal ones, which may become 0: a type
  // without `narrow` is not written at run time.
  void (*widen)(const void* x, float* y, i64 n);
  void (*narrow)(const float* x, void* y, i64 n);
};

// Columns of a panel that are gone through together where there are many vectors, so that its part
// and theirs stay in the nearer caches.
inline constexpr i64 kPanelDepth = 384;

// y[t·ldy + r] (+)= bias[r] + Σ_c w[r, c] · x[t·ldx + c] for the rows of some panels.
struct PanelProduct {
  const void* panels = nullptr;  // of the whole matrix
  i64 rows = 0, cols = 0;
  const void* x =
      nullptr;  // (n, cols) f32, or bf16 where said so; ldx elements from one to the next
  i64 ldx = 0, n = 0;
  const float* bias = nullptr;  // (rows), or null
  float* y = nullptr;           // (n, rows)
  i64 ldy = 0;
  bool add = false;         // to what y holds
  void* scratch = nullptr;  // panel_rows · kPanelDepth floats, or null
};

// What products with weights of a stored type read: the matrix in panels of panel_rows rows, which
// lie beside one another column by column. One row a type; null where it cannot be run.
struct PanelKernels {
  i64 panel_rows;
  // Bytes of a matrix.
  i64 (*bytes)(i64 rows, i64 cols);
  // Fills panels [first, last) from weights (rows, cols), row-major in their stored type.
  void (*pack)(const void* w, i64 rows, i64 cols, i64 first, i64 last, void* panels);
  // One row back, as f32.
  void (*read_row)(const void* panels, i64 rows, i64 cols, i64 row, float* y);
  // Panels [first, last). A result does not depend on n or on the range.
  void (*multiply)(const PanelProduct& product, i64 first, i64 last);
  // The same for x of bf16, with its columns and ldx even and 0 behind the last; null where the CPU
  // does not multiply bf16 by itself.
  void (*multiply_bf16)(const PanelProduct& product, i64 first, i64 last);
};

// The nonlinearity of a feed-forward layer, by its name in specs: y (width) from x, which has as
// many values or, for a gated one, 2 · width, [gate | value]. y may be x.
struct ActivationKernel {
  const char* name;
  void (*run)(const float* x, float* y, i64 width);
};

// A norm by its name in specs: y (n) from x (n); bias may be null, and is where the norm takes
// none; y may be x.
struct NormKernel {
  const char* name;
  void (*run)(const float* x, const float* weight, const float* bias, float eps, float* y, i64 n);
};

struct Kernels {
  const char* isa;

  const StoredKernels* stored;          // by DType; see stored_kernels() in dispatch.h
  const PanelKernels* panels;           // by DType; see panel_kernels() there
  const ActivationKernel* activations;  // by name; see activation_kernel() there
  i64 n_activations;
  const NormKernel* norms;  // by name; see norm_kernel() there
  i64 n_norms;

  // x = softmax(scale · x) in place.
  void (*softmax)(float* x, float scale, i64 n);
  // ln Σ e^x, by the largest x first.
  double (*log_sum_exp)(const float* x, i64 n);

  // Rotates the pairs (x[i], x[i + half]), i < half, by the angles whose cos and sin are given.
  void (*rope)(float* x, const float* cos, const float* sin, i64 half);

  void (*axpy)(float a, const float* x, float* y, i64 n);  // y += a·x
};

// The tables; those for which the program was built with a compiler that knows them. Running one
// on a CPU that lacks the instructions is undefined: go through dispatch.h.
extern const Kernels kKernelsScalar;
extern const Kernels kKernelsAvx2;
extern const Kernels kKernelsAvx512;
extern const Kernels kKernelsAvx512Bf16;

}  // namespace lathe
