// Structured linears as the dense matrices that they stand for.
#pragma once

#include <span>

#include "model/linear_spec.h"

namespace lathe {

// The dense matrix (out, in), row-major, that the factors stand for, both shuffles included; summed
// in double. `weights` in the order and layout of factors(spec).
void merge_to_dense(const LinearSpec& spec, std::span<const std::span<const float>> weights,
                    std::span<float> dense);

}  // namespace lathe
