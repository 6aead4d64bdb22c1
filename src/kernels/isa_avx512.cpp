#include <immintrin.h>

#include "kernels/kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_avx512.inc"
//
#include "kernels/panels.inc"
constexpr auto kMultiplyBf16Panels = nullptr;
//
#include "kernels/vector_kernels.inc"
}  // namespace

extern const Kernels kKernelsAvx512 = make_table("avx512");

}  // namespace lathe
