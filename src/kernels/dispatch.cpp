#include "kernels/dispatch.h"

#include "base/error.h"
#include "kernels/row_named.h"

namespace lathe {

const Kernels& kernels_for(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::kScalar:
      return kKernelsScalar;
#ifdef LATHE_X86
    case CpuIsa::kAvx2:
      return kKernelsAvx2;
    case CpuIsa::kAvx512:
      return kKernelsAvx512;
    case CpuIsa::kAvx512Bf16:
      return kKernelsAvx512Bf16;
#else
    default:
      break;
#endif
  }
  fail("[cpu] this build has no kernels for {}", name_of(isa));
}

const Kernels& kernels() {
  static const Kernels& table = kernels_for(active_isa());
  return table;
}

const ActivationKernel& activation_kernel(const Kernels& table, std::string_view name) {
  return row_named(table.activations, table.n_activations, name);
}

const NormKernel& norm_kernel(const Kernels& table, std::string_view name) {
  return row_named(table.norms, table.n_norms, name);
}

}  // namespace lathe
