#include "train/nn/fused.h"

#include "base/cpu_isa.h"

namespace lathe::train {

const TrainKernels* fused_kernels(const at::Tensor& t) {
  if (!t.is_cpu()) return nullptr;
  switch (t.scalar_type()) {
    case at::kFloat:
      return train_kernels(DType::kF32);
    case at::kBFloat16:
      return train_kernels(DType::kBf16);
    default:
      return nullptr;
  }
}

bool multiplies_bf16() { return active_isa() >= CpuIsa::kAvx512Bf16; }

void add_to(at::Tensor& grad, const at::Tensor& x, double scale) {
  const auto* kernels = fused_kernels(x);
  if (!kernels || !x.is_contiguous() || !grad.is_contiguous()) {
    grad.add_(x, scale);
    return;
  }
  for_ranges(x.numel(), 1 << 15, [&](i64 begin, i64 end) {
    kernels->add_scaled(x.data_ptr(), static_cast<float>(scale), f32_data(grad), begin, end);
  });
}

void add_column_sum(at::Tensor& grad, const at::Tensor& a) {
  const auto* kernels = fused_kernels(a);
  if (!kernels || !a.is_contiguous()) {
    grad.add_(at::sum(a, {0}, false, at::kFloat));
    return;
  }
  sum_ranges(a.size(0), 64, a.size(1), grad, [&](i64 begin, i64 end, float* partial) {
    kernels->add_column_sums(a.data_ptr(), a.size(1), partial, begin, end);
  });
}

}  // namespace lathe::train
