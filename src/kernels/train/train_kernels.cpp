// Chooses the kernels; compiled for any x86-64.
#include "kernels/train/train_kernels.h"

#include "kernels/train/avx512_parts.h"

namespace lathe {

namespace {

constexpr TrainKernels kAvx512Bf16 = {
    .isa = "avx512_bf16",
    .attention_forward_scratch_bytes = avx512::attention_forward_scratch_bytes,
    .attention_backward_scratch_bytes = avx512::attention_backward_scratch_bytes,
    .attention_forward = avx512::attention_forward,
    .attention_backward = avx512::attention_backward,
    .cross_entropy = avx512::cross_entropy,
    .norm_forward = avx512::norm_forward,
    .norm_backward = avx512::norm_backward,
    .gelu_tanh = avx512::gelu_tanh,
    .gelu_tanh_backward = avx512::gelu_tanh_backward,
    .gelu = avx512::gelu,
    .gelu_backward = avx512::gelu_backward,
    .swiglu = avx512::swiglu,
    .swiglu_backward = avx512::swiglu_backward,
    .cast_to_bf16 = avx512::cast_to_bf16,
    .add_bf16 = avx512::add_bf16,
    .add_column_sums = avx512::add_column_sums,
};

// libgcc also checks that the system saves the registers.
bool cpu_has_avx512_bf16() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("avx2");
}

}  // namespace

const TrainKernels* train_kernels() {
  static const bool supported = cpu_has_avx512_bf16();
  return supported ? &kAvx512Bf16 : nullptr;
}

}  // namespace lathe
