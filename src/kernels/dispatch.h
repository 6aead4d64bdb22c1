// Which kernels this process uses: the widest instruction set that the CPU and the operating system
// support, or the one that LATHE_CPU_ISA names.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace lathe {

// Names of the tables this CPU can run, narrowest first: "scalar", "avx2", "avx512".
std::vector<std::string> supported_isas();

// The table of that name. Error where the name is unknown or the CPU lacks the instructions.
const Kernels& kernels_for(const std::string& isa);

// The table in use, chosen at the first call. Error as in kernels_for(), if LATHE_CPU_ISA is wrong.
const Kernels& kernels();

// Whether the CPU multiplies bf16 by itself (AVX512_BF16) and `kernels` may use that.
bool has_bf16_dot(const Kernels& kernels);

}  // namespace lathe
