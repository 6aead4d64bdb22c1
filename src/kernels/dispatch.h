// Which table of kernels goes with a class of CPU (base/cpu_isa.h).
#pragma once

#include <string_view>

#include "base/cpu_isa.h"
#include "kernels/kernels.h"

namespace lathe {

// The table of that class. Running it on a CPU of a lesser one is undefined.
const Kernels& kernels_for(CpuIsa isa);

// The table in use: that of active_isa(). Error where LATHE_CPU_ISA is wrong.
const Kernels& kernels();

// The row of a stored type; its functions are null where the type has none.
inline const StoredKernels& stored_kernels(const Kernels& kernels, DType type) {
  return kernels.stored[static_cast<size_t>(type)];
}
// How weights of a type are multiplied.
inline const PanelKernels& panel_kernels(const Kernels& kernels, DType type) {
  return kernels.panels[static_cast<size_t>(type)];
}

// Whether weights of that type can be run, not only kept.
inline bool is_runnable(DType type) { return panel_kernels(kernels(), type).multiply != nullptr; }

// The kernel of that name. That every name of a spec has one in every table is a test's to see.
const ActivationKernel& activation_kernel(const Kernels& kernels, std::string_view name);
const NormKernel& norm_kernel(const Kernels& kernels, std::string_view name);

}  // namespace lathe
