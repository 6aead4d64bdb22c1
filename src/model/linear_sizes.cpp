#include "model/linear_sizes.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr i64 kUsualBlocks = 2;

bool divides_all(i64 n, std::span<const LinearSpec> linears, bool outputs_too) {
  return std::all_of(linears.begin(), linears.end(), [&](const LinearSpec& l) {
    return l.in % n == 0 && (!outputs_too || l.out % n == 0);
  });
}

}  // namespace

std::vector<LinearOption> sizes_of(const LinearOption& wanted, std::span<const LinearSpec> linears,
                                   const std::string& where) {
  LATHE_CHECK(!linears.empty());
  i64 narrowest = linears[0].in;
  for (const LinearSpec& l : linears) narrowest = std::min({narrowest, l.in, l.out});
  std::vector<LinearOption> sizes;
  if (takes_rank(wanted.kind)) {
    LinearOption option = wanted;
    const bool blocks = takes_blocks(wanted.kind);
    if (blocks && option.n_blocks == 0) option.n_blocks = kUsualBlocks;
    if (blocks && (option.n_blocks < 0 || !divides_all(option.n_blocks, linears, false))) {
      fail("[{}] n_blocks {} does not divide the inputs of every linear; choose another", where,
           option.n_blocks);
    }
    const i64 step = blocks ? option.n_blocks : 1;
    for (option.rank = step; option.rank <= narrowest; option.rank += step) {
      sizes.push_back(option);
    }
  } else if (takes_blocks(wanted.kind)) {
    for (i64 n = narrowest; n >= 2; --n) {
      if (divides_all(n, linears, true)) sizes.push_back({wanted.kind, 0, n});
    }
  }
  if (sizes.empty()) {
    fail(
        "[{}] a {} linear has no size that fits; expected low_rank, block_dense or block_shuffle "
        "and widths with a common divisor",
        where, name_of(wanted.kind));
  }
  return sizes;
}

double share_of(const LinearOption& option, std::span<const LinearSpec> linears) {
  double structured = 0, dense = 0;
  for (const LinearSpec& l : linears) {
    structured += static_cast<double>(linear_weights(at_widths(option, l)));
    dense += static_cast<double>(l.in) * static_cast<double>(l.out);
  }
  return structured / dense;
}

LinearOption option_at_share(const LinearOption& wanted, double share,
                             std::span<const LinearSpec> linears, const std::string& where) {
  const std::vector<LinearOption> sizes = sizes_of(wanted, linears, where);
  const auto above = std::partition_point(
      sizes.begin(), sizes.end(),
      [&](const LinearOption& option) { return share_of(option, linears) <= share; });
  if (above == sizes.begin()) {
    fail("[{}] the smallest {} there is has {:.4f} of the parameters, and --share asks for {}",
         where, name_of(wanted.kind), share_of(sizes.front(), linears), share);
  }
  return *std::prev(above);
}

std::vector<LinearOption> spread_sizes(const LinearOption& wanted, const LinearSpec& linear, int n,
                                       const std::string& where) {
  const std::span<const LinearSpec> one(&linear, 1);
  std::vector<LinearOption> spread;
  int last = -1;
  for (const LinearOption& option : sizes_of(wanted, one, where)) {
    const double share = share_of(option, one);
    if (share >= 1) break;
    const int place = static_cast<int>(share * n);
    if (place == last) spread.pop_back();  // the largest of each step
    spread.push_back(option);
    last = place;
  }
  return spread;
}

}  // namespace lathe
