#include <immintrin.h>

#include "kernels/kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_avx2.inc"
//
#include "kernels/panels.inc"
constexpr auto kMultiplyBf16Panels = nullptr;
//
#include "kernels/vector_kernels.inc"
}  // namespace

extern const Kernels kKernelsAvx2 = make_table("avx2");

}  // namespace lathe
