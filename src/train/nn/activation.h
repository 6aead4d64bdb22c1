// The feed-forward layer's nonlinearity.
#pragma once

#include "model/model_spec.h"
#include "train/torch.h"

namespace lathe::train {

// u (N, F) → (N, F); for swiglu u (N, 2F) = [gate | value] → silu(gate) · value, (N, F).
at::Tensor activate(const at::Tensor& u, Activation activation);

}  // namespace lathe::train
