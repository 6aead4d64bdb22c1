#include "run/precision.h"

#include "base/error.h"

namespace lathe {

PrecisionChoice choose_precision(Precision asked, const DeviceTraits& traits) {
  const bool cuda = traits.device == RunDevice::kCuda;
  const bool multiplies_bf16 =
      cuda ? traits.compute_capability >= 80 : traits.isa >= CpuIsa::kAvx512Bf16;
  const std::string device =
      cuda ? format("this GPU (compute capability {}.{})", traits.compute_capability / 10,
                    traits.compute_capability % 10)
           : format("this CPU ({})", name_of(traits.isa));
  if (asked == Precision::kF32) return {Precision::kF32, ""};
  if (asked == Precision::kBf16) {
    if (multiplies_bf16) return {Precision::kBf16, ""};
    // Our kernels widen bf16 on the way; LibTorch's products are the ones that crawl.
    const bool widens = !cuda && traits.isa >= CpuIsa::kAvx2;
    return {Precision::kBf16,
            format("precision bf16, as asked for: {} cannot multiply bf16 itself{} with "
                   "precision = \"f32\"",
                   device,
                   widens ? ", and widens it for every product: steps are at best as fast as"
                          : ", which may make steps many times slower than")};
  }
  if (multiplies_bf16) {
    return {Precision::kBf16, format("precision bf16: {} multiplies bf16 itself", device)};
  }
  return {Precision::kF32, format("precision f32: {} cannot multiply bf16 itself", device)};
}

}  // namespace lathe
