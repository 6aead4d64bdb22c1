// Chooses the kernels; compiled for any x86-64.
#include "kernels/train/train_kernels.h"

#include "core/error.h"
#include "kernels/train/avx512_parts.h"

namespace lathe {

namespace {

// Whoever calls attention asks for its scratch first: the place to look at the shape once.
const AttentionShape& checked(const AttentionShape& shape) {
  LATHE_CHECK(shape.B >= 1 && shape.T >= 1);
  LATHE_CHECK(shape.K >= 1 && shape.H >= shape.K && shape.H % shape.K == 0);
  LATHE_CHECK(shape.E >= 2 && shape.E <= 256 && shape.E % 2 == 0);
  LATHE_CHECK(shape.scale > 0);
  LATHE_CHECK((shape.cos == nullptr) == (shape.sin == nullptr));
  return shape;
}

int64_t attention_forward_scratch_bytes(const AttentionShape& shape) {
  return avx512::attention_forward_scratch_bytes(checked(shape));
}

int64_t attention_backward_scratch_bytes(const AttentionShape& shape) {
  return avx512::attention_backward_scratch_bytes(checked(shape));
}

constexpr TrainKernels kAvx512Bf16 = {
    .isa = "avx512_bf16",
    .attention_forward_scratch_bytes = attention_forward_scratch_bytes,
    .attention_backward_scratch_bytes = attention_backward_scratch_bytes,
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
    .deal_columns = avx512::deal_columns,
    .collect_columns = avx512::collect_columns,
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
