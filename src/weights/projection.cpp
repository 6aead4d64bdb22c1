#include "weights/projection.h"

namespace lathe {

std::vector<ProjectionBlock> projection_blocks(const TwoFactor& f) {
  std::vector<ProjectionBlock> blocks;
  for (i64 k = 0; k < f.v_blocks; ++k) {
    for (i64 l = 0; l < f.u_blocks; ++l) {
      ProjectionBlock block{.slice = k, .group = l, .v_rows = {}, .u_columns = {}};
      for (i64 q = 0; q < f.v_out; ++q) {
        const i64 j = k * f.v_out + q;
        if (j % f.u_blocks != l) continue;
        block.v_rows.push_back(q);
        block.u_columns.push_back(j / f.u_blocks);
      }
      if (!block.v_rows.empty()) blocks.push_back(std::move(block));
    }
  }
  return blocks;
}

}  // namespace lathe
