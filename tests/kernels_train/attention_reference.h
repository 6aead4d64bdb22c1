// Attention and its gradient in double, element by element, with a bound of the error that the
// kernels' roundings, of relative size `rounding`, may cause in each result.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/train/train_kernels.h"

namespace lathe::test {

struct AttentionReference {
  std::vector<double> out, out_bound;    // (B, T, H·E)
  std::vector<double> lse;               // (B, H, T)
  std::vector<double> dqkv, dqkv_bound;  // (B, T, (H + 2K)·E)
};

// Rotated rows are rounded to bf16 as the kernels do (to the bit: f32, fused) if `round_rotated`.
AttentionReference attention_reference(const AttentionShape& shape, const std::vector<double>& qkv,
                                       const std::vector<double>& dout, double rounding,
                                       bool round_rotated);

}  // namespace lathe::test
