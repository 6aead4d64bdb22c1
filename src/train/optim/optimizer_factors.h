// What optimizers know of the factors v and u of a structured linear: rates by their shape, decay
// of the product they stand for, and the pieces of Spectron. Each is a formula on one pair.
#pragma once

#include "train/nn/parameters.h"

namespace lathe::train {

// The slices of a pair in a flat buffer of its parameters, as (blocks, rows, cols).
at::Tensor v_blocks(const FactorPair& pair, const at::Tensor& flat);
at::Tensor u_blocks(const FactorPair& pair, const at::Tensor& flat);

// Rates under Adam that keep each factor's change of the output alike whatever the blocks' widths
// (arXiv 2406.06248): (in / d) / 2 for a factor whose blocks read d numbers. {of v, of u}.
std::pair<double, double> structure_aware_rates(const LinearSpec& spec);

// Gradients {v, u} of ½‖W‖² (Frobenius), W the product of v (k, q, p) and u (l, s, r), through the
// Gram matrices of the factors: dU = U (V Vᵀ), dV = (Uᵀ U) V for low_rank (arXiv 2105.01029), the
// same block by block for the others.
std::pair<at::Tensor, at::Tensor> product_norm_gradient(const at::Tensor& v, const at::Tensor& u);

// Nearly the orthogonal factor of each block's polar decomposition, singular values within about
// 0.7 … 1.2: five steps of X ← aX + (bA + cA²)X, A = XXᵀ, of Muon (Jordan et al., 2024).
at::Tensor orthogonalised(const at::Tensor& blocks);

// The largest singular value over `blocks` (n, rows, cols), by two power iterations from `left`
// (n, 1, rows), which is brought up to date.
at::Tensor largest_singular_value(const at::Tensor& blocks, at::Tensor& left);

}  // namespace lathe::train
