// Normalisation of the residual stream: layer_norm and rms_norm.
#pragma once

#include "train/nn/parameters.h"

namespace lathe::train {

// `t`, or nothing where it is undefined: what autograd functions take for an absent tensor.
std::optional<at::Tensor> if_defined(const at::Tensor& t);

class Norm {
 public:
  Norm() = default;
  Norm(const NormSpec& spec, const std::string& part, Parameters& parameters);

  // x (N, width) f32; delta (N, width) in the compute dtype or undefined. Returns the sum x + delta
  // (f32; x itself without delta) and its norm in the compute dtype.
  std::pair<at::Tensor, at::Tensor> forward(const at::Tensor& x, const at::Tensor& delta) const;

 private:
  NormSpec spec_{};
  Parameter* weight_ = nullptr;
  Parameter* bias_ = nullptr;
};

}  // namespace lathe::train
