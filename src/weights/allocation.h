// Parameters spent where they buy most: of each matrix one of several sizes, so that the errors
// together are least within a budget.
#pragma once

#include <cstddef>
#include <vector>

#include "base/integer.h"

namespace lathe {

struct SizeChoice {
  i64 cost = 0;      // parameters, at least 0
  double error = 0;  // what it costs the model, additive over the matrices
};

// One choice of each item, by its number, with Σ cost ≤ budget and Σ error as small as a
// multiple-choice knapsack over 2^15 steps of the budget finds, which is exact where the budget has
// no more steps; what is left of the budget is then spent greedily. Error where even the cheapest
// of each cost more.
std::vector<size_t> allocate(const std::vector<std::vector<SizeChoice>>& items, i64 budget);

}  // namespace lathe
