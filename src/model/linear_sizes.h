// The sizes that a kind of linear can have, and what share of the dense matrices' parameters they
// leave: how a share becomes a rank or a number of blocks.
#pragma once

#include <span>
#include <vector>

#include "model/linear_spec.h"

namespace lathe {

// Every option of `wanted`'s kind that all of `linears` (their widths count) can have, from the
// fewest parameters to the most: by rank, in steps of n_blocks where the kind has both (2 where
// `wanted` names none), else by number of blocks, from 2 on. Error, naming `where`, where there is
// none.
std::vector<LinearOption> sizes_of(const LinearOption& wanted, std::span<const LinearSpec> linears,
                                   const std::string& where);

// Parameters of the linears as `option`, without biases, over those of the dense matrices.
double share_of(const LinearOption& option, std::span<const LinearSpec> linears);

// The largest of sizes_of() with at most `share` of the parameters. Error, naming `where` and what
// there is, where even the smallest has more.
LinearOption option_at_share(const LinearOption& wanted, double share,
                             std::span<const LinearSpec> linears, const std::string& where);

// About `n` of sizes_of() of one linear, evenly over the shares below 1.
std::vector<LinearOption> spread_sizes(const LinearOption& wanted, const LinearSpec& linear, int n,
                                       const std::string& where);

}  // namespace lathe
