// What the AVX-512 files of this folder define, for the table in train_kernels.cpp. Only to be
// called where train_kernels() says so.
#pragma once

#include "kernels/train/train_kernels.h"

namespace lathe::avx512 {

int64_t attention_forward_scratch_bytes(const AttentionShape& shape);
int64_t attention_backward_scratch_bytes(const AttentionShape& shape);
void attention_forward(const AttentionForward& args, int64_t begin, int64_t end, void* scratch);
void attention_backward(const AttentionBackward& args, int64_t begin, int64_t end, void* scratch);

void cross_entropy(const CrossEntropy& args, int64_t begin, int64_t end);
void norm_forward(const NormForward& args, int64_t begin, int64_t end);
void norm_backward(const NormBackward& args, int64_t begin, int64_t end);

void gelu_tanh(const Bf16* x, Bf16* y, int64_t begin, int64_t end);
void gelu_tanh_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t begin, int64_t end);
void gelu(const Bf16* x, Bf16* y, int64_t begin, int64_t end);
void gelu_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t begin, int64_t end);
void swiglu(const Bf16* x, Bf16* y, int64_t F, int64_t begin, int64_t end);
void swiglu_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t F, int64_t begin,
                     int64_t end);
void cast_to_bf16(const float* x, Bf16* y, int64_t begin, int64_t end);
void add_bf16(const Bf16* x, float scale, float* y, int64_t begin, int64_t end);
void add_column_sums(const Bf16* x, int64_t C, float* sums, int64_t begin, int64_t end);

void deal_columns(const DealColumns& args, int64_t begin, int64_t end);
void collect_columns(const CollectColumns& args, int64_t begin, int64_t end);

}  // namespace lathe::avx512
