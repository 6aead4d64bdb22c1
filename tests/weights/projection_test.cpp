#include "weights/projection.h"

#include <doctest/doctest.h>

#include <set>
#include <utility>

using namespace lathe;

TEST_CASE("projection: every inner position joins one slice to one group, in order") {
  for (const LinearSpec& spec :
       {LinearSpec{.kind = LinearKind::kLowRank, .in = 6, .out = 10, .rank = 4},
        LinearSpec{.kind = LinearKind::kBlockDense, .in = 12, .out = 20, .rank = 6, .n_blocks = 3},
        LinearSpec{.kind = LinearKind::kBlockShuffle, .in = 12, .out = 18, .n_blocks = 3},
        LinearSpec{.kind = LinearKind::kBlockShuffle, .in = 16, .out = 8, .n_blocks = 4}}) {
    CAPTURE(describe_linear(spec));
    const TwoFactor f = *two_factor(spec);
    std::set<i64> seen;
    for (const ProjectionBlock& block : projection_blocks(f)) {
      REQUIRE(block.v_rows.size() == block.u_columns.size());
      for (size_t i = 0; i < block.v_rows.size(); ++i) {
        // What the first factor calls (slice, row) the second calls (column, group).
        const i64 j = block.slice * f.v_out + block.v_rows[i];
        CHECK(j == block.u_columns[i] * f.u_blocks + block.group);
        CHECK(seen.insert(j).second);
      }
    }
    CHECK(static_cast<i64>(seen.size()) == f.inner());
  }
}
