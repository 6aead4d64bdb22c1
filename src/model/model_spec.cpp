#include "model/model_spec.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "model/topologies.h"

namespace lathe {

void TopologyOption::visit_fields(FieldVisitor& v) {
  constexpr KeyMeaning structure{.role = KeyRole::kStructure};
  v.field("kind", kind, "how the blocks are connected", structure);
  const Topology& options = lathe::topology(kind);
  if (options.takes_paths) v.field("n_paths", n_paths, "parallel paths", structure.within(1, 4096));
  if (options.takes_stages) {
    v.field("blocks_per_stage", blocks_per_stage, "blocks before each halving of the width",
            structure.within(1, 4096));
  }
  if (options.takes_kernel) {
    v.field("kernel_size", kernel_size, "positions the halving convolution sees, causal",
            structure.within(1, 64));
  }
}

namespace {

constexpr KeyMeaning kSize{.role = KeyRole::kSize};
constexpr KeyMeaning kStructure{.role = KeyRole::kStructure};
constexpr double kMostIds = 1 << 24;

}  // namespace

void ModelSpec::visit_fields(FieldVisitor& v) {
  v.field("vocab_size", vocab_size, "token ids", KeyMeaning{}.within(1, kMostIds));
  v.field("context_length", context_length, "positions", KeyMeaning{}.within(1, kMostIds));
  v.field("d_model", d_model, "width of the residual stream", kSize.within(1, 1 << 20));
  v.field("n_layers", n_layers, "blocks in all", kSize.within(1, 4096));
  v.field("n_heads", n_heads, "query heads", kSize.within(1, 1 << 16));
  v.field("n_kv_heads", n_kv_heads, "key and value heads; divides n_heads",
          KeyMeaning{}.within(1, 1 << 16));
  v.field("d_head", d_head, "width of a head", kSize.within(1, 1 << 16));
  v.field("d_ff", d_ff, "width of the feed-forward layer", kSize.within(1, 1 << 22));
  v.section("topology", topology, "");
  v.field("norm", norm, "");
  v.field("norm_eps", norm_eps, "");
  v.field("norm_bias", norm_bias, "layer_norm only");
  v.field("activation", activation, "");
  v.field("position", position, "");
  v.field("rope_base", rope_base, "");
  v.field("linear_bias", linear_bias, "biases in attention and feed-forward");
  v.field("tie_embeddings", tie_embeddings, "the head is the token embedding");
  v.section("ffn_linear", ffn_linear, "");
  v.section("attention_linear", attention_linear, "");
  v.field("dense_ffn_layers", dense_ffn_layers, "blocks whose feed-forward stays dense",
          kStructure);
  v.field("init_std", init_std, "standard deviation of initial weights",
          {.role = KeyRole::kFollows});
  v.field("init_residual_scale", init_residual_scale,
          "initial weights that write to the residual stream divided by sqrt(2 n_layers)");
  v.field("tokenizer", tokenizer, "tokenizer file in the model directory, or bytes");
}

void ModelSpec::validate() const {
  check_ranges(*this, "spec");
  // Four matrices of 2^43 weights a block, 4096 blocks: every sum stays within 63 bits.
  if (n_heads * d_head > 1 << 22) {
    fail("[spec] n_heads × d_head is {}, expected 1 … {}", n_heads * d_head, 1 << 22);
  }
  if (n_heads % n_kv_heads) {
    fail("[spec] n_kv_heads {} does not divide n_heads {}", n_kv_heads, n_heads);
  }
  if (!(norm_eps > 0 && norm_eps < 1)) fail("[spec] norm_eps is {}, expected 0 … 1", norm_eps);
  if (!(rope_base > 1 && std::isfinite(rope_base))) {
    fail("[spec] rope_base is {}, expected more than 1", rope_base);
  }
  if (!(init_std > 0 && init_std < 10)) fail("[spec] init_std is {}, expected 0 … 10", init_std);
  for (i64 layer : dense_ffn_layers) {
    if (layer < 0 || layer >= n_layers) {
      fail("[spec] dense_ffn_layers has {}, expected 0 … {}", layer, n_layers - 1);
    }
  }
}

ModelSpec parse_model_spec(const Json& object, const std::string& where) {
  ModelSpec spec;
  read_fields(object, spec, where);
  blaming(where, [&] { spec.validate(); });
  return spec;
}

Json to_json(const ModelSpec& spec) { return write_fields(spec); }

}  // namespace lathe
