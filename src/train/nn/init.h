// Initial weights, by the rules of the tensor list.
#pragma once

#include "train/nn/parameters.h"

namespace lathe::train {

// Fills every parameter; a pure function of the plan, the kind and the seed, whatever the device or
// number of threads. What `kind` says of linears:
//   paper       a structured kind with full-width blocks (low_rank): the best projection of a
//   normal
//               dense matrix (arXiv 2406.16450 §3, its SVD initialisation); the others: orthogonal
//               blocks, all singular values 1; dense: normal
//   spectral    every structured kind: the best projection of a normal dense matrix
//   orthogonal  every structured kind, and dense feed-forward linears too: orthogonal (blocks)
// Where the spec scales down what writes to the residual stream, orthogonal matrices are scaled
// too.
void initialise(Parameters& parameters, uint64_t seed, InitKind kind = InitKind::kPaper);

// n(0, std²) numbers, number i of the stream (seed, stream), as f32 on the CPU.
at::Tensor normal_tensor(const std::vector<i64>& shape, double std, uint64_t seed, uint32_t stream);

}  // namespace lathe::train
