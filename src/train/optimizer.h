// AdamW on the flat buffers of Parameters: two fused updates a step, one that decays and one that
// does not.
#pragma once

#include "train/parameters.h"

namespace lathe::train {

class AdamW {
 public:
  AdamW(const OptimizerSpec& spec, Parameters& parameters);

  // Norm of the whole gradient, a scalar f32 tensor on the device; no host sync.
  at::Tensor grad_norm() const;

  // One update from Parameters::grad with the gradient clipped to spec.clip, given its norm. Leaves
  // everything as it was if `norm` is not finite (decided on the device). Gradients are not zeroed.
  void step(double lr, const at::Tensor& norm);

  // Flat states, laid out as Parameters' buffers; for checkpoints.
  at::Tensor exp_avg, exp_avg_sq;
  // Updates done, an f32 scalar on the device (what Adam's bias correction counts).
  at::Tensor updates;

 private:
  void update(i64 begin, i64 end, double lr, double decay, const at::Tensor& divisor,
              const at::Tensor& skip);
  OptimizerSpec spec_;
  Parameters& parameters_;
};

}  // namespace lathe::train
