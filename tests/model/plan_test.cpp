#include "model/plan.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "support/error_text.h"

using namespace lathe;

namespace {

ModelSpec small(std::vector<std::string> overrides = {}) {
  Json tree = parse_json(R"({"vocab_size": 50, "context_length": 16, "d_model": 24, "n_layers": 4,
    "n_heads": 2, "n_kv_heads": 1, "d_head": 12, "d_ff": 48})",
                         "small");
  for (const std::string& o : overrides) apply_override(tree, o);
  return parse_model_spec(tree, "small");
}

// The error that the overrides lead to, in the spec or in the plan; "" for none.
std::string error_of(const std::vector<std::string>& overrides) {
  return test::error_text([&] { make_plan(small(overrides)); });
}

}  // namespace

TEST_CASE("plan: every impossible spec is an Error naming the key and the numbers") {
  const struct {
    std::vector<std::string> overrides, parts;
  } cases[] = {
      {{"vocab_size=0"}, {"vocab_size is 0", "1 …"}},
      {{"context_length=-1"}, {"context_length is -1"}},
      {{"d_model=0"}, {"d_model is 0"}},
      {{"d_model=9000000000000000000"}, {"d_model is 9000000000000000000"}},
      {{"n_layers=0", "dense_ffn_layers=[]"}, {"n_layers is 0"}},
      {{"n_layers=100000"}, {"n_layers is 100000", "4096"}},
      {{"n_heads=0"}, {"n_heads is 0"}},
      {{"n_kv_heads=0"}, {"n_kv_heads is 0"}},
      {{"n_heads=4", "n_kv_heads=3"}, {"n_kv_heads 3", "n_heads 4"}},
      {{"n_kv_heads=4"}, {"n_kv_heads 4", "n_heads 2"}},
      {{"d_head=0"}, {"d_head is 0"}},
      {{"d_head=3"}, {"even d_head", "3"}},
      {{"n_heads=65536", "d_head=65536"}, {"n_heads × d_head is 4294967296"}},
      {{"d_ff=0"}, {"d_ff is 0"}},
      {{"norm_eps=0"}, {"norm_eps is 0"}},
      {{"norm_eps=nan"}, {"norm_eps is nan"}},
      {{"rope_base=1"}, {"rope_base is 1"}},
      {{"rope_base=inf"}, {"rope_base is inf"}},
      {{"rope_dims=5"}, {"rope_dims is 5", "even"}},
      {{"rope_dims=14"}, {"rope_dims is 14", "d_head 12"}},
      {{"rope_scaling.kind=linear", "rope_scaling.factor=0.5"}, {"factor is 0.5", "1 or more"}},
      {{"rope_scaling.kind=llama3", "rope_scaling.high_freq_factor=1"}, {"high_freq_factor 1"}},
      {{"biased_linears=[\"attention.qvk\"]"}, {"attention.qvk", "did you mean 'attention.qkv'"}},
      {{"begin_token=50"}, {"begin_token is 50", "50"}},
      {{"end_tokens=[3, 50]"}, {"end_tokens has 50", "49"}},
      {{"init_std=-1"}, {"init_std is -1"}},
      {{"dense_ffn_layers=[0, 4]"}, {"dense_ffn_layers has 4", "0 … 3"}},
      {{"dense_ffn_layers=[-1]"}, {"dense_ffn_layers has -1"}},
      {{"ffn_linear.kind=low_rank"}, {"blocks.1.ffn.up", "rank 0", "1 … 24"}},
      {{"ffn_linear.kind=low_rank", "ffn_linear.rank=-5"}, {"rank -5", "1 … 24"}},
      {{"ffn_linear.kind=low_rank", "ffn_linear.rank=25"}, {"rank 25", "1 … 24"}},
      {{"ffn_linear.kind=block_shuffle", "ffn_linear.n_blocks=5"}, {"n_blocks 5", "24 → 48"}},
      {{"ffn_linear.kind=block_dense", "ffn_linear.rank=6", "ffn_linear.n_blocks=4"},
       {"n_blocks 4", "rank 6"}},
      {{"attention_linear.kind=low_rank", "attention_linear.rank=30"},
       {"blocks.0.attention.qkv", "rank 30"}},
      {{"topology.kind=pgpt", "topology.n_paths=3"}, {"n_paths 3", "n_layers 4"}},
      {{"topology.kind=pgpt", "topology.n_paths=0"}, {"topology.n_paths is 0"}},
      {{"topology.kind=lgpt", "topology.blocks_per_stage=0"}, {"blocks_per_stage is 0"}},
      {{"topology.kind=lgpt"}, {"tie_embeddings", "lgpt", "6 of 24"}},
      {{"topology.kind=lgpt", "tie_embeddings=false", "topology.blocks_per_stage=1"},
       {"even d_head", "block 2 has 3"}},
      {{"topology.kind=lgpt", "tie_embeddings=false", "position=none", "d_head=24", "d_ff=24",
        "topology.blocks_per_stage=1"},
       {"width 3", "d_model 24", "2^4"}},
      {{"topology.kind=cgpt", "topology.kernel_size=65"}, {"kernel_size is 65", "64"}},
      {{"topology.kind=lgpt", "tie_embeddings=false", "ffn_linear.kind=low_rank",
        "ffn_linear.rank=5"},
       {"rank 5", "width 12"}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.overrides[0]);
    const std::string error = error_of(c.overrides);
    for (const std::string& part : c.parts) CHECK_MESSAGE(test::contains(error, part), error);
    CHECK(!test::contains(error, "\n"));
  }
  CHECK(error_of({}).empty());
}

TEST_CASE("plan: gpt is embedding, blocks, norm, head, with every shape resolved") {
  const Plan plan = make_plan(small({"ffn_linear.kind=low_rank", "ffn_linear.rank=5"}));
  REQUIRE(plan.stages.size() == 4);
  REQUIRE(std::holds_alternative<EmbedStage>(plan.stages[0]));
  REQUIRE(std::holds_alternative<NormStage>(plan.stages[2]));
  const auto& head = std::get<HeadStage>(plan.stages[3]);
  CHECK(head.in == 24);
  CHECK(head.vocab_size == 50);
  CHECK(head.tied);
  const auto& blocks = std::get<BlocksStage>(plan.stages[1]).blocks;
  REQUIRE(blocks.size() == 4);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const BlockSpec& b = blocks[i];
    CHECK(b.name == "blocks." + std::to_string(i));
    CHECK(b.layer == static_cast<i64>(i));
    CHECK(b.qkv.in == 24);
    CHECK(b.qkv.out == 2 * 12 + 2 * 1 * 12);
    CHECK(b.out.in == 2 * 12);
    CHECK(b.out.out == 24);
    CHECK(b.up.in == 24);
    CHECK(b.up.out == 48);
    CHECK(b.down.in == 48);
    CHECK(b.down.out == 24);
    CHECK(b.up.kind == (i == 0 ? LinearKind::kDense : LinearKind::kLowRank));
    CHECK(b.rope);
  }
}

TEST_CASE("plan: swiglu doubles the way up only, and rms_norm has no bias") {
  const Plan plan = make_plan(small({"activation=swiglu", "norm=rms_norm", "linear_bias=false"}));
  for (const BlockSpec* b : all_blocks(plan)) {
    CHECK(b->up.out == 96);
    CHECK(b->down.in == 48);
    CHECK(!b->norm_1.bias);
    CHECK(!b->up.bias);
  }
}

TEST_CASE("plan: pgpt cuts the layers into paths that count on, each behind an entry with bias") {
  const Plan plan = make_plan(small({"topology.kind=pgpt", "linear_bias=false"}));
  REQUIRE(plan.stages.size() == 4);
  const auto& fork = std::get<ForkStage>(plan.stages[1]);
  REQUIRE(fork.paths.size() == 2);
  CHECK(fork.paths[1].name == "paths.1");
  CHECK(fork.paths[1].blocks[0].name == "paths.1.blocks.2");
  CHECK(fork.paths[1].blocks[0].layer == 2);
  CHECK(fork.paths[0].entry == LinearSpec{.in = 24, .out = 24, .bias = true});
  CHECK(all_blocks(plan).size() == 4);
}

TEST_CASE("plan: lgpt and cgpt halve the width, and heads, d_ff and rank go with it") {
  for (const char* kind : {"lgpt", "cgpt"}) {
    const Plan plan = make_plan(
        small({std::string("topology.kind=") + kind, "tie_embeddings=false", "d_head=16", "d_ff=32",
               "ffn_linear.kind=low_rank", "ffn_linear.rank=8", "dense_ffn_layers=[]"}));
    const auto blocks = all_blocks(plan);
    REQUIRE(blocks.size() == 4);
    CHECK(blocks[1]->d_model == 24);
    CHECK(blocks[3]->d_model == 12);
    CHECK(blocks[3]->d_head == 8);
    CHECK(blocks[3]->n_heads == 2);
    CHECK(blocks[3]->d_ff == 16);
    CHECK(blocks[3]->up.rank == 4);
    REQUIRE(plan.stages.size() == 7);
    const auto& project = std::get<ProjectStage>(plan.stages[4]);
    CHECK(project.name == "projections.1");
    CHECK(project.in == 12);
    CHECK(project.out == 6);
    CHECK(project.kernel_size == (std::string(kind) == "cgpt" ? 3 : 1));
    CHECK(std::get<HeadStage>(plan.stages[6]).in == 6);
  }
}

TEST_CASE("plan: lgpt keeps the blocks after its last halving") {
  const Plan plan = make_plan(small(
      {"topology.kind=lgpt", "topology.blocks_per_stage=3", "tie_embeddings=false", "d_head=24"}));
  CHECK(all_blocks(plan).size() == 4);
  CHECK(all_blocks(plan)[3]->d_model == 12);
  CHECK(std::get<HeadStage>(plan.stages.back()).in == 12);
}

TEST_CASE("plan: linears named one by one differ from the rest, at the rank they say") {
  const ModelSpec spec = small({"topology.kind=lgpt", "tie_embeddings=false", "d_head=24",
                                "ffn_linear={kind = \"low_rank\", rank = 12}",
                                "linears={\"blocks.2.ffn.up\" = {kind = \"low_rank\", rank = 5}, "
                                "\"blocks.0.attention.out\" = {kind = \"block_shuffle\", n_blocks "
                                "= 2}, \"blocks.3.ffn.down\" = {kind = \"dense\"}}"});
  const Plan plan = make_plan(spec);
  const auto blocks = all_blocks(plan);
  CHECK(blocks[0]->up.kind == LinearKind::kDense);  // dense_ffn_layers
  CHECK(blocks[0]->out.kind == LinearKind::kBlockShuffle);
  CHECK(blocks[0]->out.n_blocks == 2);
  CHECK(blocks[2]->up.rank == 5);    // as it says, although the stage has half the width
  CHECK(blocks[2]->down.rank == 6);  // 12 at half the width
  CHECK(blocks[3]->down.kind == LinearKind::kDense);
  CHECK(option_of(blocks[2]->up) == spec.linears.at("blocks.2.ffn.up"));
  // The same through JSON and through TOML, where such a name needs quotes.
  CHECK(to_json(parse_model_spec(to_json(spec), "t")) == to_json(spec));
  CHECK(to_json(parse_model_spec(parse_toml(print_toml(spec), "t"), "t")) == to_json(spec));

  CHECK(test::contains(error_of({"linears={\"blocks.1.ffn.upp\" = {kind = \"dense\"}}"}),
                       "did you mean 'blocks.1.ffn.up'"));
  CHECK(test::contains(error_of({"linears={\"blocks.1.ffn.up\" = {kind = \"low_rank\"}}"}),
                       "blocks.1.ffn.up"));
  CHECK(test::contains(error_of({"linears={\"blocks.1.ffn.up\" = 3}"}), "table of keys"));
}

TEST_CASE("model spec: JSON round trip, and the keys of one kind only") {
  const ModelSpec spec = small({"ffn_linear.kind=block_shuffle", "ffn_linear.n_blocks=2"});
  const Json json = to_json(spec);
  CHECK(json.at("ffn_linear") == Json::parse(R"({"kind": "block_shuffle", "n_blocks": 2})"));
  CHECK(json.at("topology") == Json::parse(R"({"kind": "gpt"})"));
  CHECK(to_json(parse_model_spec(json, "t")) == json);
  CHECK(test::contains(error_of({"ffn_linear.kind=block_shuffle", "ffn_linear.rank=2"}),
                       "'ffn_linear.rank'"));
  CHECK(test::contains(error_of({"topology.n_paths=2"}), "'topology.n_paths'"));
}
