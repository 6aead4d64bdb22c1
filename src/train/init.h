// Initial weights, by the rules of the tensor list.
#pragma once

#include "train/parameters.h"

namespace lathe::train {

// Fills every parameter; a pure function of the plan and the seed, whatever the device or number of
// threads. Factors: a kind with full-width blocks (low_rank) gets the best projection of a normal
// dense matrix (arXiv 2406.16450 §3, its SVD initialisation), the others have orthogonal blocks,
// all singular values 1.
void initialise(Parameters& parameters, uint64_t seed);

// n(0, std²) numbers, number i of the stream (seed, stream), as f32 on the CPU.
at::Tensor normal_tensor(const std::vector<i64>& shape, double std, uint64_t seed, uint32_t stream);

}  // namespace lathe::train
