// Which precision a run's matrix products have, where its file leaves that open.
#pragma once

#include <string>

#include "base/cpu_isa.h"
#include "run/run_spec.h"

namespace lathe {

// What decides about it. Only one of the last two counts, by the device.
struct DeviceTraits {
  RunDevice device = RunDevice::kCpu;
  CpuIsa isa = CpuIsa::kScalar;
  int compute_capability = 0;  // of the GPU: 80 for 8.0
};

struct PrecisionChoice {
  Precision precision = Precision::kF32;  // never kAuto
  std::string line;  // what was chosen and why, or what it costs; empty: nothing to say
};

// bf16 where the device multiplies bf16 itself (AVX512_BF16 or AMX, a GPU from compute capability
// 8.0), else f32; what is asked for by name is kept. Pure.
PrecisionChoice choose_precision(Precision asked, const DeviceTraits& traits);

}  // namespace lathe
