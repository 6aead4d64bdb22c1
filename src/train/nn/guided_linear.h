// A linear of any kind with, for a while, a dense matrix beside it (see guidance.h). No kind knows
// of it: it scales the structured path through Linear's own argument and adds its own product.
#pragma once

#include "train/nn/guidance.h"
#include "train/nn/linear.h"

namespace lathe::train {

class GuidedLinear {
 public:
  GuidedLinear() = default;
  // Borrows from `parameters` and `guidance`; a null guidance, or one without a matrix for `part`,
  // makes it the linear alone.
  GuidedLinear(const LinearSpec& spec, const std::string& part, Parameters& parameters,
               Guidance* guidance);

  // x (N, in) in the compute dtype → (N, out).
  at::Tensor forward(const at::Tensor& x) const;

 private:
  Linear structured_, dense_;
  Parameter* guide_ = nullptr;
  const Guidance* guidance_ = nullptr;
  i64 index_ = -1;
};

}  // namespace lathe::train
