// Matrix products by oneDNN on the calling thread: the only user of the library. For src/kernels
// and attention; everybody else goes through matmul.h.
#pragma once

#include <memory>

#include "base/dtype.h"
#include "kernels/kernels.h"

namespace lathe {

// C (m, n) = A (m, k) · B, row-major with leading dimensions lda and ldc; B is (k, n), or with
// b_transposed is stored as (n, k). A and B are of type dtype (kF32, kBf16), C is f32.
struct GemmShape {
  i64 m = 0, n = 0, k = 0;
  i64 lda = 0, ldb = 0, ldc = 0;
  DType dtype = DType::kF32;
  bool b_transposed = true;
  bool bias = false;
  bool operator==(const GemmShape&) const = default;
};

// Limits oneDNN, in the whole process, to the instruction set of a kernel table, if that is
// narrower than the CPU or LATHE_CPU_ISA names one. To be called before the first product; later
// calls change nothing.
void limit_gemm_isa(const Kernels& kernels);

// The type in which weights of that type are multiplied on this CPU: their own where oneDNN takes
// it there, else f32, to which they are widened.
DType gemm_type(DType stored, const Kernels& kernels);

// The compiled products of one thread: only one thread at a time may use an object. Keeps the
// latest few hundred shapes.
class Gemm {
 public:
  Gemm();
  ~Gemm();
  Gemm(Gemm&&) noexcept;

  // `bias` (n) where the shape says so, else null.
  void operator()(const GemmShape& shape, const void* a, const void* b, const float* bias,
                  float* c);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lathe
