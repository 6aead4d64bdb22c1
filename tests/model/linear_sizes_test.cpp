#include "model/linear_sizes.h"

#include <doctest/doctest.h>

#include "support/error_text.h"
#include "support/linear_kinds.h"

using namespace lathe;

namespace {

// A gated feed-forward layer: 24 → 96 and 48 → 24.
const std::vector<LinearSpec> kFfn = {{.in = 24, .out = 96}, {.in = 48, .out = 24}};

}  // namespace

TEST_CASE("linear sizes: what a share gives is the most parameters within it, by the textbook") {
  for (const LinearKind kind :
       {LinearKind::kLowRank, LinearKind::kBlockDense, LinearKind::kBlockShuffle}) {
    for (const double share : {0.7, 0.5, 0.32}) {
      CAPTURE(name_of(kind));
      CAPTURE(share);
      const LinearOption option = option_at_share({kind, 0, 0}, share, kFfn, "t");
      const auto count = [](const LinearOption& o) {
        i64 weights = 0;
        for (const LinearSpec& l : kFfn) weights += test::textbook_weights(o, l.in, l.out, o.rank);
        return weights;
      };
      const double most = share * (24 * 96 + 48 * 24);
      CHECK(static_cast<double>(count(option)) <= most);
      CHECK(share_of(option, kFfn) == doctest::Approx(count(option) / (24.0 * 96 + 48 * 24)));
      LinearOption larger = option;
      if (kind == LinearKind::kLowRank) larger.rank += 1;
      if (kind == LinearKind::kBlockDense) larger.rank += 2;
      if (kind == LinearKind::kBlockShuffle) {
        do {
          larger.n_blocks -= 1;
        } while (24 % larger.n_blocks);  // what divides the widths
      }
      if (kind != LinearKind::kBlockShuffle || larger.n_blocks > 1) {
        CHECK(static_cast<double>(count(larger)) > most);
      }
    }
  }
  CHECK(option_at_share({LinearKind::kBlockDense, 0, 0}, 0.5, kFfn, "t").n_blocks == 2);
  CHECK(option_at_share({LinearKind::kBlockDense, 0, 3}, 0.5, kFfn, "t").rank % 3 == 0);
}

TEST_CASE("linear sizes: a share or kind that nothing fits is refused by name") {
  const auto refused = [](const LinearOption& wanted, double share) {
    return test::error_text([&] { option_at_share(wanted, share, kFfn, "ffn_linear"); });
  };
  CHECK(test::contains(refused({LinearKind::kLowRank, 0, 0}, 0.01), "ffn_linear"));
  CHECK(test::contains(refused({LinearKind::kLowRank, 0, 0}, 0.01), "smallest low_rank"));
  CHECK(test::contains(refused({LinearKind::kBlockDense, 0, 5}, 0.5), "n_blocks 5"));
  CHECK(test::contains(refused({LinearKind::kDense, 0, 0}, 0.5), "dense"));
  const std::vector<LinearSpec> odd = {{.in = 7, .out = 13}};
  CHECK(test::contains(test::error_text([&] {
                         sizes_of({LinearKind::kBlockShuffle, 0, 0}, odd, "t");
                       }),
                       "block_shuffle"));
}

TEST_CASE("linear sizes: spread sizes rise, stay below the dense matrix, and span its share") {
  const LinearSpec linear = {.in = 576, .out = 3072};
  const auto spread = spread_sizes({LinearKind::kLowRank, 0, 0}, linear, 16, "t");
  REQUIRE(spread.size() == 16);
  double before = 0;
  for (const LinearOption& option : spread) {
    const double share = share_of(option, std::span(&linear, 1));
    CHECK(share > before);
    CHECK(share < 1);
    before = share;
  }
  CHECK(before > 0.99);
  CHECK(spread_sizes({LinearKind::kBlockShuffle, 0, 0}, linear, 16, "t").back().n_blocks == 2);
}
