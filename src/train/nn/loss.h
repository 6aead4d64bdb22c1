// Next-token cross-entropy, alone or with a teacher's probabilities beside it, without the whole
// matrix of logits.
#pragma once

#include "train/nn/parameters.h"

namespace lathe::train {

// h (N, D) in the compute dtype, head (V, D), targets (N) i64; a row whose target is negative does
// not count. Works on chunks of rows, so that at most about kLossChunkBytes of logits exist at a
// time. Returns the summed loss in nats (a scalar f32 tensor on the device).
constexpr i64 kLossChunkBytes = i64{64} << 20;
at::Tensor cross_entropy_sum(const at::Tensor& h, const Parameter& head, const at::Tensor& targets);

// The same, and the gradient of scale · loss: returns {loss, dh (N, D)} and adds to head.grad.
std::pair<at::Tensor, at::Tensor> cross_entropy_grad(const at::Tensor& h, Parameter& head,
                                                     const at::Tensor& targets, double scale);

// What a model learns from another one's logits (Hinton et al., arXiv 1503.02531): with p and q
// the probabilities that teacher and student give at temperature T, a row's loss is
//   (1 − weight) · CE + weight · T² · KL(p ‖ q),   KL(p ‖ q) = Σ p ln(p / q),
// whose gradient by the student's logits z is (1 − weight)(softmax z − onehot) + weight · T (q −
// p). T² keeps the second part's gradient as large whatever T.
struct Distillation {
  at::Tensor h;           // (N, D') of the teacher, in the compute dtype
  const Parameter* head;  // (V, D') of it
  double weight, temperature;
};
struct DistilledLoss {
  at::Tensor loss, kl;  // the cross-entropy and KL (at T, without T²), both summed, nats
  at::Tensor dh;        // (N, D) of scale · (the loss above)
};
// Adds to head.grad as cross_entropy_grad() does.
DistilledLoss distillation_grad(const at::Tensor& h, Parameter& head, const at::Tensor& targets,
                                double scale, const Distillation& teacher);

}  // namespace lathe::train
