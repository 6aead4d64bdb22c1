// y = W x + b for every kind of linear, with its backward. Gradients of weights are added to
// Parameter::grad directly: the weights are no autograd leaves.
#pragma once

#include "model/linear_spec.h"
#include "train/nn/parameters.h"

namespace lathe::train {

class Linear {
 public:
  Linear() = default;
  // `part` is its name, "blocks.0.ffn.up"; borrows from `parameters`.
  Linear(const LinearSpec& spec, const std::string& part, Parameters& parameters);
  // A dense one with the given weight (out, in) and bias (out) or none; borrows both.
  Linear(Parameter& weight, Parameter* bias);

  // x (N, in) in the compute dtype → scale · W x + b, (N, out).
  at::Tensor forward(const at::Tensor& x, double scale = 1) const;

  Parameter* bias() const { return bias_; }

  const LinearSpec& spec() const { return spec_; }

 private:
  LinearSpec spec_;
  std::vector<Parameter*> weights_;  // of factors(spec), in their order
  Parameter* bias_ = nullptr;
};

// The dense matrix (out, in) that the factors v and u (shapes of factors(spec)) stand for, in their
// dtype.
at::Tensor merged_product(const LinearSpec& spec, const at::Tensor& v, const at::Tensor& u);

// Adds to weight.grad as add_product() does, unless it is frozen.
void add_weight_gradient(Parameter& weight, const at::Tensor& a, const at::Tensor& b,
                         double scale = 1);

// grad += scale · aᵀ b, with a (N, M) and b (N, K) in the compute dtype and grad (M, K) f32, or
// stacks of them.
void add_product(at::Tensor& grad, const at::Tensor& a, const at::Tensor& b, double scale = 1);

}  // namespace lathe::train
