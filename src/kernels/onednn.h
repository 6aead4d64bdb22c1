// Products of matrices that are both activations, by oneDNN on the calling thread: the only user of
// the library. For attention; products with weights go through matmul.h.
#pragma once

#include <memory>

#include "kernels/kernels.h"

namespace lathe {

// C (m, n) = A (m, k) · B in f32, row-major with leading dimensions lda and ldc; B is (k, n), or
// with b_transposed is stored as (n, k).
struct GemmShape {
  i64 m = 0, n = 0, k = 0;
  i64 lda = 0, ldb = 0, ldc = 0;
  bool b_transposed = true;
  bool operator==(const GemmShape&) const = default;
};

// Limits oneDNN, in the whole process, to the instruction set of a kernel table, if that is
// narrower than the CPU or LATHE_CPU_ISA names one. To be called before the first product; later
// calls change nothing.
void limit_gemm_isa(const Kernels& kernels);

// The compiled products of one thread: only one thread at a time may use an object. Keeps the
// latest few hundred shapes.
class Gemm {
 public:
  Gemm();
  ~Gemm();
  Gemm(Gemm&&) noexcept;

  void operator()(const GemmShape& shape, const float* a, const float* b, float* c);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lathe
