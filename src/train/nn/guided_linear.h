// A linear of any kind with, for a while, a dense matrix beside it (see guidance.h). No kind knows
// of it: it scales the structured path through Linear's own argument and adds its own product.
#pragma once

#include "train/nn/guidance.h"
#include "train/nn/linear.h"
#include "train/nn/linear_observer.h"

namespace lathe::train {

class GuidedLinear {
 public:
  GuidedLinear() = default;
  // Borrows from `parameters`, `guidance` and `observer`; a null guidance, or one without a matrix
  // for `part`, makes it the linear alone. The observer may be null.
  GuidedLinear(const LinearSpec& spec, const std::string& part, Parameters& parameters,
               Guidance* guidance, LinearObserver* observer = nullptr);

  // x (N, in) in the compute dtype → (N, out).
  at::Tensor forward(const at::Tensor& x) const;

 private:
  at::Tensor mixed(const at::Tensor& x) const;

  std::string part_;
  Linear structured_, dense_;
  Parameter* guide_ = nullptr;
  const Guidance* guidance_ = nullptr;
  i64 index_ = -1;
  LinearObserver* observer_ = nullptr;
};

}  // namespace lathe::train
