#include "model/counts.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "model/presets.h"
#include "support/counted_models.h"

using namespace lathe;
using test::by_hand;
using test::flops;
using test::preset_plan;

TEST_CASE("counts: a model of two blocks, counted by hand") {
  const Plan plan = make_plan(by_hand());
  const ParamCount params = count_params(plan);
  // qkv 4 → 4 + 2 + 2 and out 4 → 4, twice; up and down 4 · 6 dense, then 3 · (4 + 6) low rank.
  CHECK(params.attention == 2 * (4 * 8 + 4 * 4));
  CHECK(params.ffn == 2 * 24 + 2 * 30);
  CHECK(params.embedding == 40);
  CHECK(params.head == 0);
  // Biases 8 + 4 + 6 + 4 and two norms of 8 a block, and the final norm.
  CHECK(params.other == 2 * (22 + 16) + 8);
  CHECK(params.total == 96 + 108 + 40 + 84);
  // Attention: q·k and p·v over 8 positions, 2 heads of 2.
  CHECK(flops(plan) == 2.0 * (96 + 108 + 2 * (2 * 8 * 4) + 40));
  CHECK(forward_flops_per_token(plan, 1) == 2.0 * (96 + 108 + 2 * (2 * 1 * 4) + 40));
  CHECK(guide_weights(plan) == 2 * 24);
  const ByteCount bytes = count_bytes(plan);
  CHECK(bytes.kv_per_token == 2 * 2 * (2 * 1 * 2));            // blocks, bytes, keys and values
  CHECK(bytes.weights_per_token == 2 * (96 + 108 + 40 + 84));  // the tied head reads them all
}

TEST_CASE("counts: an untied head is read whole, and one row of the embedding and of positions") {
  ModelSpec spec = by_hand();
  spec.tie_embeddings = false;
  spec.position = Position::kLearned;
  const Plan plan = make_plan(spec);
  CHECK(count_params(plan).head == 40);
  CHECK(count_params(plan).embedding == 40 + 32);
  CHECK(count_bytes(plan).weights_per_token == 2 * (96 + 108 + 84 + 40 + 4 + 4));
}

TEST_CASE("counts: wide-structured models are matched to the dense GPT-2 of their size") {
  const struct {
    const char *preset, *dense;
    double solved, published;
  } cases[] = {{"wide-structured-m", "gpt2-m", .3923, .40},
               {"wide-structured-l", "gpt2-l", .3958, .395}};
  for (const auto& c : cases) {
    const Plan plan = preset_plan(c.preset);
    const double own = flops(plan), dense = flops(preset_plan(c.dense));
    const double share = (dense - own) / (own + static_cast<double>(guide_weights(plan)));
    CHECK(std::abs(share - c.solved) < 0.6e-4);
    CHECK(std::abs(share - c.published) < 0.008);
  }
}

TEST_CASE("counts: the largest spec that validates overflows nothing") {
  ModelSpec spec;
  spec.vocab_size = spec.context_length = 1 << 24;
  spec.d_model = 1 << 20;
  spec.n_layers = 4096;
  spec.n_heads = spec.n_kv_heads = 1 << 6;
  spec.d_head = 1 << 16;
  spec.d_ff = 1 << 22;
  spec.activation = Activation::kSwiglu;
  spec.position = Position::kLearned;
  spec.tie_embeddings = false;
  const Plan plan = make_plan(spec);
  const double blocks = 4096.0 * 0x1p42 * (3 + 1 + 2 + 1);
  const double expected = blocks + 3 * 0x1p44 + 0x1p20 * 2;
  const ParamCount params = count_params(plan);
  CHECK(static_cast<double>(params.total) == doctest::Approx(expected).epsilon(1e-5));
  CHECK(count_bytes(plan).weights_per_token > 0);
  CHECK(flops(plan) > 2 * blocks);
}
