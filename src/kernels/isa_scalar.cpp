#include "kernels/kernels.h"

namespace lathe {
namespace {
#include "kernels/vec_scalar.inc"
//
#include "kernels/panels.inc"
constexpr auto kMultiplyBf16Panels = nullptr;
//
#include "kernels/vector_kernels.inc"
}  // namespace

extern const Kernels kKernelsScalar = make_table("scalar");

}  // namespace lathe
