// Whoever wants to see what goes through a model's linears: statistics for closed forms.
#pragma once

#include <string>

#include "train/torch.h"

namespace lathe::train {

class LinearObserver {
 public:
  virtual ~LinearObserver() = default;
  // Whether it wants to hear of the linear `part`, "blocks.0.ffn.up". Asked once.
  virtual bool observes(const std::string& part) const = 0;
  // The input (N, in) of a forward pass.
  virtual void input(const std::string& part, const at::Tensor& x) = 0;
  // The gradient (N, out) of the linear's output, in a backward pass.
  virtual void output_gradient(const std::string& part, const at::Tensor& dy) = 0;
};

}  // namespace lathe::train
