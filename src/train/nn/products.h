// The matrix products of the linears: one seam for LibTorch's and for what is faster. On a CPU, f32
// is multiplied by our kernels (kernels/train/matrix_product.inc), and so is bf16, widened, where
// the CPU does not multiply it itself; the rest is LibTorch's.
#pragma once

#include "train/torch.h"

namespace lathe::train {

// x (N, in), w (out, in), bias (out) or undefined → scale · x wᵀ + bias, (N, out).
at::Tensor linear_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                          double scale = 1);

// out (M, N) = scale · a (M, K) b (K, N); out[i] = scale · a[i] b[i] for stacks of them. All of one
// dtype, in any strides.
void multiply(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale = 1);
// The same as a new matrix without gaps.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, double scale = 1);

// out += scale · a b, or each of a stack; out may be f32 where a and b are bf16.
void add_multiplied(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
                    double scale = 1);

}  // namespace lathe::train
