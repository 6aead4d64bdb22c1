#include <immintrin.h>

#include "kernels/kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_avx512.inc"
//
#include "kernels/panels.inc"
//
#include "kernels/panels_bf16.inc"
constexpr auto* kMultiplyBf16Panels = multiply_bf16_panels;
//
#include "kernels/vector_kernels.inc"
}  // namespace

extern const Kernels kKernelsAvx512Bf16 = make_table("avx512_bf16");

}  // namespace lathe
