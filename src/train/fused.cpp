#include "train/fused.h"

#include <cstdlib>
#include <string_view>

namespace lathe::train {

const TrainKernels* fused_kernels(const at::Tensor& t) {
  static const TrainKernels* const kernels = [] {
    const char* isa = std::getenv("LATHE_CPU_ISA");
    return isa && std::string_view(isa) != "avx512" ? nullptr : train_kernels();
  }();
  return t.is_cpu() && t.scalar_type() == at::kBFloat16 ? kernels : nullptr;
}

}  // namespace lathe::train
