// Learning from another model block by block, without a backward from end to end (Lillama,
// arXiv 2412.16719).
#pragma once

#include "train/nn/model.h"

namespace lathe::train {

// (N) losses of rows out (N, D) f32 against wanted (N, D): mean |out − wanted| over the D numbers,
// − ln σ(cos(out, wanted)). Differentiable by `out`.
at::Tensor block_losses(const at::Tensor& out, const at::Tensor& wanted);

// Runs both models over tokens (B, T). Each block of `student` is fed (a) what the teacher's block
// of its layer is fed, and (b) what the student's block before it gave for its (b), and is asked
// for what the teacher's block gave; nothing goes back beyond a block. Returns the sum over rows of
// the mean over blocks of both losses (nats and units of the residual stream mixed; a scalar f32
// tensor), and adds the gradient of scale · Σ_rows Σ_blocks of them to the blocks' Parameter::grad.
// Holds the activations of one block at a time. Both have the topology gpt, as many blocks, and one
// width.
at::Tensor distil_blocks(const Model& student, const Model& teacher, const at::Tensor& tokens,
                         double scale);

}  // namespace lathe::train
