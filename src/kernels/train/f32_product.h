// f32 matrix products on the calling thread by BLIS: the only user of that library. Here because
// its kernels beat LibTorch's on CPUs without bf16 products (docs/performance.md), and because it
// shares a process with LibTorch, its symbols hidden.
#pragma once

#include <cstdint>

namespace lathe {

// A matrix in any strides, in elements.
template <class T>
struct Strided {
  T* data = nullptr;
  int64_t row_stride = 0, column_stride = 0;
};

// Whether the program was built with BLIS and this process's class of CPU (core/cpu_isa.h) is one
// that BLIS was measured to win on: AVX2 and wider. The answer never changes. The first call, which
// must come before other threads start, limits BLIS to that class.
bool has_f32_product();

// C (m, n) = alpha · A (m, k) · B (k, n) + beta · C; with beta 0, C is only written. No overlaps.
// Safe from several threads at once. Only where has_f32_product().
void f32_product(int64_t m, int64_t n, int64_t k, float alpha, Strided<const float> a,
                 Strided<const float> b, float beta, Strided<float> c);

}  // namespace lathe
