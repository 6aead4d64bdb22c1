// Which parts of a dense matrix which parts of two factors stand for: what the closed-form
// projection onto a structured linear walks. No arithmetic here.
#pragma once

#include <vector>

#include "model/linear_spec.h"

namespace lathe {

// A two-factor product is a grid of u_blocks × v_blocks independent blocks of the dense matrix:
// rows s·L + l by columns k·P + p, L = u_blocks, P = v_in, for group l and slice k. The inner
// positions j = k·Q + q = r·L + l that join them, Q = v_out, are the block's rank: rows q of v[k]
// and columns r of u[l].
struct ProjectionBlock {
  i64 slice = 0, group = 0;            // k, l
  std::vector<i64> v_rows, u_columns;  // q and r of each inner position, ascending
};

// Those of positive rank, by slice, then by group; `f` as two_factor() gives it.
std::vector<ProjectionBlock> projection_blocks(const TwoFactor& f);

}  // namespace lathe
