// Next-token cross-entropy without the whole matrix of logits.
#pragma once

#include "train/nn/parameters.h"

namespace lathe::train {

// h (N, D) in the compute dtype, head (V, D), targets (N) i64. Works on chunks of rows, so that at
// most about kLossChunkBytes of logits exist at a time. Returns the summed loss in nats (a scalar
// f32 tensor on the device).
constexpr i64 kLossChunkBytes = i64{64} << 20;
at::Tensor cross_entropy_sum(const at::Tensor& h, const Parameter& head, const at::Tensor& targets);

// The same, and the gradient of scale · loss: returns {loss, dh (N, D)} and adds to head.grad.
std::pair<at::Tensor, at::Tensor> cross_entropy_grad(const at::Tensor& h, Parameter& head,
                                                     const at::Tensor& targets, double scale);

}  // namespace lathe::train
