#include "model/linear_spec.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/error_text.h"

using namespace lathe;

namespace {

std::string error_of(const LinearSpec& spec) {
  return test::error_text([&] { check_linear(spec, "blocks.1.ffn.up"); });
}

constexpr auto kLowRank = LinearKind::kLowRank;
constexpr auto kBlockDense = LinearKind::kBlockDense;
constexpr auto kBlockShuffle = LinearKind::kBlockShuffle;

}  // namespace

TEST_CASE("linear: one block makes block_dense a low_rank, and block_shuffle one of full rank") {
  const LinearSpec low{.kind = kLowRank, .in = 6, .out = 9, .rank = 6};
  const LinearSpec dense{.kind = kBlockDense, .in = 6, .out = 9, .rank = 6, .n_blocks = 1};
  const LinearSpec shuffle{.kind = kBlockShuffle, .in = 6, .out = 9, .n_blocks = 1};
  for (const LinearSpec& other : {dense, shuffle}) {
    const auto a = factors(low), b = factors(other);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) CHECK(a[i].shape == b[i].shape);
  }
}

TEST_CASE("linear: weights are the papers' counts") {
  const auto weights = [](LinearKind kind, i64 in, i64 out, i64 rank, i64 blocks) {
    return linear_weights({.kind = kind, .in = in, .out = out, .rank = rank, .n_blocks = blocks});
  };
  for (const auto& [in, out] : {std::pair<i64, i64>{768, 3072}, {3072, 768}}) {
    CHECK(weights(LinearKind::kDense, in, out, 0, 0) == in * out);
    CHECK(weights(kLowRank, in, out, 192, 0) == 192 * (in + out));
    CHECK(weights(kBlockDense, in, out, 256, 2) == 256 * (in / 2 + out));
    CHECK(weights(kBlockShuffle, in, out, 0, 4) == 768 * (in + out) / 4);
  }
  const LinearSpec spec{.kind = kBlockDense, .in = 12, .out = 20, .rank = 6, .n_blocks = 3};
  i64 listed = 0;
  for (const Factor& f : factors(spec))
    listed += f.shape[0] * f.shape[1] * (f.shape.size() > 2 ? f.shape[2] : 1);
  CHECK(linear_weights(spec) == listed);
  CHECK(linear_macs(spec) == listed);
}

TEST_CASE("linear: what does not fit is an Error naming the place, the key and the numbers") {
  const struct {
    LinearSpec spec;
    std::vector<std::string> parts;
  } cases[] = {
      {{.kind = LinearKind::kDense, .in = 0, .out = 4}, {"dense", "0", "4"}},
      {{.kind = kLowRank, .in = 6, .out = 9}, {"rank 0", "1 … 6", "6 → 9"}},
      {{.kind = kLowRank, .in = 6, .out = 9, .rank = -2}, {"rank -2", "1 … 6"}},
      {{.kind = kLowRank, .in = 6, .out = 9, .rank = 7}, {"rank 7", "1 … 6", "6 → 9"}},
      {{.kind = kLowRank, .in = 9, .out = 6, .rank = 7}, {"rank 7", "1 … 6", "9 → 6"}},
      {{.kind = kBlockDense, .in = 6, .out = 9, .rank = 6}, {"n_blocks"}},
      {{.kind = kBlockDense, .in = 6, .out = 9, .rank = 6, .n_blocks = -1}, {"n_blocks"}},
      {{.kind = kBlockDense, .in = 6, .out = 9, .rank = 4, .n_blocks = 4}, {"n_blocks 4", "6 → 9"}},
      {{.kind = kBlockDense, .in = 6, .out = 9, .rank = 4, .n_blocks = 3},
       {"n_blocks 3", "rank 4"}},
      {{.kind = kBlockShuffle, .in = 6, .out = 9}, {"n_blocks"}},
      {{.kind = kBlockShuffle, .in = 6, .out = 9, .n_blocks = 2}, {"n_blocks 2", "6 → 9"}},
      {{.kind = kBlockShuffle, .in = 9, .out = 6, .n_blocks = 2}, {"n_blocks 2", "9 → 6"}},
  };
  for (const auto& c : cases) {
    CAPTURE(describe_linear(c.spec));
    const std::string error = error_of(c.spec);
    CHECK(test::contains(error, "blocks.1.ffn.up"));
    for (const std::string& part : c.parts) CHECK_MESSAGE(test::contains(error, part), error);
  }
}

TEST_CASE("linear: block_dense need not divide the output") {
  CHECK(error_of({.kind = kBlockDense, .in = 6, .out = 7, .rank = 6, .n_blocks = 3}).empty());
}
