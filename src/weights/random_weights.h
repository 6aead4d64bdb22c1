// Weights of no use but to measure speed with: any plan's, in any type that lathe writes.
#pragma once

#include <memory>

#include "model/plan.h"
#include "weights/weight_source.h"

namespace lathe {

// Every tensor of tensor_list(plan) in memory: matrices (out, in) as `type`, uniform with variance
// 1 / in, so that activations neither die nor grow; norms' weights 1, all else 0. A pure function
// of plan and seed. Error where a matrix's rows are not whole blocks of the type.
std::shared_ptr<const WeightSource> random_weights(const Plan& plan, DType type, uint64_t seed);

}  // namespace lathe
