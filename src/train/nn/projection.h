// The structured linear nearest to a dense matrix, in closed form.
#pragma once

#include "model/linear_spec.h"
#include "train/torch.h"

namespace lathe::train {

// The factors (shapes and order of factors(spec)) whose product is nearest to `dense` (out, in) in
// the Frobenius norm; exact where `dense` has the structure. Each block of weights/projection.h is
// approximated best by its truncated SVD, split evenly: A = U√S, B = √S Vᵀ. Computed in double on
// dense's device; the result is f32.
std::vector<at::Tensor> project_to(const LinearSpec& spec, const at::Tensor& dense);

}  // namespace lathe::train
