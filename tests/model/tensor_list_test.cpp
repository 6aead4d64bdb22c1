#include "model/tensor_list.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "model/counts.h"
#include "model/presets.h"
#include "support/linear_kinds.h"

using namespace lathe;

namespace {

// Parameters by the textbook, from the spec alone: neither plan nor tensor list has a part in it.
i64 textbook_linear(const LinearOption& o, i64 in, i64 out, i64 rank, bool bias) {
  return test::textbook_weights(o, in, out, rank) + (bias ? out : 0);
}

i64 textbook_block(const ModelSpec& s, i64 layer, i64 width) {
  const auto at_width = [&](i64 value) { return value * width / s.d_model; };
  const i64 head = at_width(s.d_head), ff = at_width(s.d_ff);
  const i64 up = is_gated(s.activation) ? 2 * ff : ff;
  const i64 attention = s.n_heads * head;
  const bool dense = std::find(s.dense_ffn_layers.begin(), s.dense_ffn_layers.end(), layer) !=
                     s.dense_ffn_layers.end();
  const LinearOption ffn = dense ? LinearOption{} : s.ffn_linear;
  const i64 norm_vectors = s.norm_bias && is_centred(s.norm) ? 2 : 1;
  const i64 norms = 2 * width * norm_vectors + (s.qk_norm ? 2 * head * norm_vectors : 0);
  const auto biased = [&](const char* part) {
    return s.linear_bias && (s.biased_linears.empty() || s.biased_linears[0] == part);
  };
  return norms +
         textbook_linear(s.attention_linear, width, attention + 2 * s.n_kv_heads * head,
                         at_width(s.attention_linear.rank), biased("attention.qkv")) +
         textbook_linear(s.attention_linear, attention, width, at_width(s.attention_linear.rank),
                         biased("attention.out")) +
         textbook_linear(ffn, width, up, at_width(ffn.rank), biased("ffn.up")) +
         textbook_linear(ffn, ff, width, at_width(ffn.rank), biased("ffn.down"));
}

i64 textbook_model(const ModelSpec& s) {
  i64 total = s.vocab_size * s.d_model;
  if (s.position == Position::kLearned) total += s.context_length * s.d_model;
  i64 width = s.d_model;
  const bool halves =
      s.topology.kind == TopologyKind::kLgpt || s.topology.kind == TopologyKind::kCgpt;
  const i64 kernel = s.topology.kind == TopologyKind::kCgpt ? s.topology.kernel_size : 1;
  for (i64 layer = 0; layer < s.n_layers; ++layer) {
    total += textbook_block(s, layer, width);
    if (halves && (layer + 1) % s.topology.blocks_per_stage == 0) {
      total += width * (width / 2) * kernel + width / 2;
      width /= 2;
    }
  }
  if (s.topology.kind == TopologyKind::kPgpt) {
    total += s.topology.n_paths * (s.d_model + 1) * s.d_model + s.topology.n_paths - 1;
  }
  total += width * (s.norm_bias && is_centred(s.norm) ? 2 : 1);
  return total + (s.tie_embeddings ? 0 : s.vocab_size * width);
}

i64 listed(const Plan& plan) {
  i64 n = 0;
  for (const TensorInfo& t : tensor_list(plan)) {
    i64 numel = 1;
    for (const i64 d : t.shape) numel *= d;
    n += numel;
  }
  return n;
}

std::vector<ModelSpec> small_specs() {
  std::vector<ModelSpec> specs;
  for (const TopologyKind topology :
       {TopologyKind::kGpt, TopologyKind::kPgpt, TopologyKind::kLgpt, TopologyKind::kCgpt}) {
    for (const LinearOption& ffn : {LinearOption{}, LinearOption{LinearKind::kLowRank, 8, 0},
                                    LinearOption{LinearKind::kBlockDense, 16, 4},
                                    LinearOption{LinearKind::kBlockShuffle, 0, 4}}) {
      for (const bool plain : {false, true}) {
        ModelSpec s;
        s.vocab_size = 100;
        s.context_length = 32;
        s.d_model = 32;
        s.n_layers = 4;
        s.n_heads = 4;
        s.n_kv_heads = plain ? 4 : 2;
        s.d_head = 8;
        s.d_ff = 64;
        s.topology.kind = topology;
        s.tie_embeddings = topology == TopologyKind::kGpt;
        s.ffn_linear = ffn;
        s.qk_norm = topology == TopologyKind::kLgpt;
        if (topology == TopologyKind::kPgpt) s.biased_linears = {"attention.qkv"};
        if (plain) {
          s.attention_linear = ffn;
          s.linear_bias = s.norm_bias = false;
          s.position = Position::kLearned;
          s.activation = Activation::kSwiglu;
          s.dense_ffn_layers = {};
        }
        specs.push_back(s);
      }
    }
  }
  return specs;
}

}  // namespace

TEST_CASE("tensors: counted, listed and textbook parameters agree for every topology and kind") {
  for (const ModelSpec& spec : small_specs()) {
    CAPTURE(to_json(spec).dump());
    const Plan plan = make_plan(spec);
    CHECK(listed(plan) == textbook_model(spec));
    CHECK(count_params(plan).total == textbook_model(spec));
  }
}

TEST_CASE("tensors: counted, listed and textbook parameters agree for every preset") {
  for (const std::string& name : preset_names()) {
    CAPTURE(name);
    const ModelSpec spec = parse_model_spec(preset_spec(name), name);
    const Plan plan = make_plan(spec);
    CHECK(listed(plan) == textbook_model(spec));
    CHECK(count_params(plan).total == textbook_model(spec));
  }
}

TEST_CASE("tensors: OpenAI's GPT-2 has 124439808, 354823168, 774030080 and 1557611200 parameters") {
  const struct {
    i64 d_model, n_layers, n_heads, total;
  } published[] = {{768, 12, 12, 124439808},
                   {1024, 24, 16, 354823168},
                   {1280, 36, 20, 774030080},
                   {1600, 48, 25, 1557611200}};
  for (const auto& p : published) {
    ModelSpec spec;
    spec.vocab_size = 50257;
    spec.d_model = p.d_model;
    spec.n_layers = p.n_layers;
    spec.n_heads = spec.n_kv_heads = p.n_heads;
    spec.d_ff = 4 * p.d_model;
    spec.position = Position::kLearned;
    CHECK(listed(make_plan(spec)) == p.total);
  }
}

TEST_CASE(
    "tensors: names are unique, shapes positive, and the factors of a linear carry its spec") {
  for (const ModelSpec& spec : small_specs()) {
    CAPTURE(to_json(spec).dump());
    std::set<std::string> names;
    std::map<std::string, i64> weights;  // of each linear, by the name before the last dot
    std::map<std::string, LinearSpec> linears;
    for (const TensorInfo& t : tensor_list(make_plan(spec))) {
      CHECK(names.insert(t.name).second);
      for (const i64 d : t.shape) CHECK(d > 0);
      if (!t.linear) continue;
      CHECK(t.matrix);
      CHECK(t.std > 0);
      const std::string part = t.name.substr(0, t.name.rfind('.'));
      weights[part] += t.numel();
      linears[part] = *t.linear;
    }
    for (const auto& [part, n] : weights) CHECK(n == linear_weights(linears.at(part)));
    // qkv, out, up, down of four blocks; pgpt has an entry a path.
    CHECK(weights.size() == (spec.topology.kind == TopologyKind::kPgpt ? 18 : 16));
  }
}

TEST_CASE("tensors: names and order of a small model are as files hold them") {
  ModelSpec spec;
  spec.n_layers = 2;
  spec.ffn_linear = {LinearKind::kLowRank, 192, 0};
  std::vector<std::string> names;
  for (const TensorInfo& t : tensor_list(make_plan(spec))) names.push_back(t.name);
  CHECK(names == std::vector<std::string>{"embedding.tokens.weight",
                                          "blocks.0.norm_1.weight",
                                          "blocks.0.norm_1.bias",
                                          "blocks.0.attention.qkv.weight",
                                          "blocks.0.attention.qkv.bias",
                                          "blocks.0.attention.out.weight",
                                          "blocks.0.attention.out.bias",
                                          "blocks.0.norm_2.weight",
                                          "blocks.0.norm_2.bias",
                                          "blocks.0.ffn.up.weight",
                                          "blocks.0.ffn.up.bias",
                                          "blocks.0.ffn.down.weight",
                                          "blocks.0.ffn.down.bias",
                                          "blocks.1.norm_1.weight",
                                          "blocks.1.norm_1.bias",
                                          "blocks.1.attention.qkv.weight",
                                          "blocks.1.attention.qkv.bias",
                                          "blocks.1.attention.out.weight",
                                          "blocks.1.attention.out.bias",
                                          "blocks.1.norm_2.weight",
                                          "blocks.1.norm_2.bias",
                                          "blocks.1.ffn.up.v",
                                          "blocks.1.ffn.up.u",
                                          "blocks.1.ffn.up.bias",
                                          "blocks.1.ffn.down.v",
                                          "blocks.1.ffn.down.u",
                                          "blocks.1.ffn.down.bias",
                                          "norm.weight",
                                          "norm.bias"});
}

TEST_CASE(
    "tensors: initial deviations: 0.02, and divided by sqrt(2 layers) where it is asked for") {
  ModelSpec spec;
  for (const bool scaled : {false, true}) {
    spec.init_residual_scale = scaled;
    for (const TensorInfo& t : tensor_list(make_plan(spec))) {
      CAPTURE(t.name);
      if (!t.matrix) continue;
      const bool residual = t.name.find(".attention.out.") != std::string::npos ||
                            t.name.find(".ffn.down.") != std::string::npos;
      CHECK(t.std == doctest::Approx(scaled && residual ? 0.02 / std::sqrt(24.0) : 0.02));
    }
  }
}

TEST_CASE("tensors: norms start as ones, biases and the gate as zeros, and none of them decays") {
  ModelSpec spec;
  spec.topology.kind = TopologyKind::kPgpt;
  spec.topology.n_paths = 3;
  int gates = 0;
  for (const TensorInfo& t : tensor_list(make_plan(spec))) {
    CAPTURE(t.name);
    if (t.shape.size() > 1) {
      CHECK(t.matrix);
      continue;
    }
    CHECK(!t.matrix);
    CHECK(t.role == Role::kOther);
    CHECK(t.init == (t.name.find("norm") != std::string::npos && t.name.ends_with("weight")
                         ? InitRule::kOnes
                         : InitRule::kZeros));
    if (t.name == kGate) {
      ++gates;
      CHECK(t.shape == std::vector<i64>{2});
    }
  }
  CHECK(gates == 1);
}
