#include "kernels/train/f32_product.h"

#include <cstdlib>
#include <string>

#include "core/cpu_isa.h"
#include "core/error.h"

#ifdef LATHE_BLIS
#include <blis.h>
#endif

namespace lathe {

#ifdef LATHE_BLIS

namespace {

// BLIS 0.9 knows neither the newest CPUs nor LATHE_CPU_ISA, and takes what it does not know for the
// plainest one: it is told, unless the user has told it. On a Zen it knows it does best by itself.
bool choose_kernels() {
  const CpuIsa isa = active_isa();
  if (isa == CpuIsa::kScalar) return false;
  const bool known_zen =
      __builtin_cpu_is("znver1") || __builtin_cpu_is("znver2") || __builtin_cpu_is("znver3");
  if (isa >= CpuIsa::kAvx512) {
    setenv("BLIS_ARCH_TYPE", std::to_string(BLIS_ARCH_SKX).c_str(), 0);
  } else if (!known_zen) {
    setenv("BLIS_ARCH_TYPE", std::to_string(BLIS_ARCH_HASWELL).c_str(), 0);
  }
  bli_init();
  return true;
}

}  // namespace

bool has_f32_product() {
  static const bool has = choose_kernels();
  return has;
}

void f32_product(int64_t m, int64_t n, int64_t k, float alpha, Strided<const float> a,
                 Strided<const float> b, float beta, Strided<float> c) {
  // The library takes its inputs without const.
  bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &alpha, const_cast<float*>(a.data),
            a.row_stride, a.column_stride, const_cast<float*>(b.data), b.row_stride,
            b.column_stride, &beta, c.data, c.row_stride, c.column_stride);
}

#else

bool has_f32_product() { return false; }

void f32_product(int64_t, int64_t, int64_t, float, Strided<const float>, Strided<const float>,
                 float, Strided<float>) {
  LATHE_CHECK(false);
}

#endif

}  // namespace lathe
