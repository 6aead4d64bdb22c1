// Every kind of linear that the tests go through: the one list to add a kind to.
#pragma once

#include <algorithm>
#include <vector>

#include "model/linear_spec.h"

namespace lathe::test {

// For all linears of tiny_spec(): widths 48, 96 and 144.
inline const std::vector<LinearOption> kTinyLinears = {{LinearKind::kDense, 0, 0},
                                                       {LinearKind::kLowRank, 12, 0},
                                                       {LinearKind::kBlockDense, 12, 3},
                                                       {LinearKind::kBlockShuffle, 0, 3},
                                                       {LinearKind::kBlockShuffle, 0, 2}};

struct LinearShape {
  LinearOption option;
  i64 in, out;
};
// in < out and, by ffn.down, in > out; in == out; blocks that do not divide the inner blocks'
// width.
inline const std::vector<LinearShape> kLinearShapes = {
    {{LinearKind::kDense, 0, 0}, 12, 20},        {{LinearKind::kLowRank, 5, 0}, 12, 20},
    {{LinearKind::kLowRank, 12, 0}, 12, 12},     {{LinearKind::kBlockDense, 6, 3}, 12, 24},
    {{LinearKind::kBlockDense, 8, 2}, 16, 16},   {{LinearKind::kBlockShuffle, 0, 2}, 12, 20},
    {{LinearKind::kBlockShuffle, 0, 4}, 16, 32}, {{LinearKind::kBlockShuffle, 0, 3}, 15, 24},
    {{LinearKind::kBlockShuffle, 0, 4}, 24, 24}};

// Weights by the textbook, of a linear whose rank is `rank`.
inline i64 textbook_weights(const LinearOption& o, i64 in, i64 out, i64 rank) {
  switch (o.kind) {
    case LinearKind::kDense:
      return in * out;
    case LinearKind::kLowRank:
      return rank * (in + out);
    case LinearKind::kBlockDense:
      return rank * (in / o.n_blocks + out);
    case LinearKind::kBlockShuffle:
      return std::min(in, out) * (in + out) / o.n_blocks;
  }
  return 0;
}

}  // namespace lathe::test
