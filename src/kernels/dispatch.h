// Which table of kernels goes with a class of CPU (base/cpu_isa.h).
#pragma once

#include "base/cpu_isa.h"
#include "kernels/kernels.h"

namespace lathe {

// The table of that class. Running it on a CPU of a lesser one is undefined.
const Kernels& kernels_for(CpuIsa isa);

// The table in use: that of active_isa(). Error where LATHE_CPU_ISA is wrong.
const Kernels& kernels();

// Whether a CPU that this table is for multiplies bf16 by itself.
bool has_bf16_dot(const Kernels& kernels);

}  // namespace lathe
