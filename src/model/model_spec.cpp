#include "model/model_spec.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/suggest.h"
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

void RopeScalingOption::visit_fields(FieldVisitor& v) {
  v.field("kind", kind, "slower rotation for a longer context: none, linear, llama3");
  if (kind == RopeScaling::kNone) return;
  v.field("factor", factor, "how many times the context grew");
  if (kind != RopeScaling::kLlama3) return;
  v.field("low_freq_factor", low_freq_factor,
          "waves longer than original_context_length / this are slowed by the whole factor");
  v.field("high_freq_factor", high_freq_factor,
          "waves shorter than original_context_length / this stay as they are");
  v.field("original_context_length", original_context_length, "positions before it grew",
          KeyMeaning{}.within(1, 1 << 24));
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
  v.field("rope_dims", rope_dims,
          "numbers of a head that rotate, in the pairs (i, i + d_head/2) from i = 0 on; 0: all",
          KeyMeaning{}.within(0, 1 << 16));
  v.section("rope_scaling", rope_scaling, "");
  v.field("qk_norm", qk_norm, "each head of q and k is normed before it rotates");
  v.field("parallel_residual", parallel_residual,
          "attention and feed-forward of a block both read the block's input");
  v.field("linear_bias", linear_bias, "biases in attention and feed-forward");
  v.field("biased_linears", biased_linears,
          "with linear_bias, those of a block that have one, as attention.qkv; none named: all");
  v.field("tie_embeddings", tie_embeddings, "the head is the token embedding");
  v.section("ffn_linear", ffn_linear, "");
  v.section("attention_linear", attention_linear, "");
  v.field("dense_ffn_layers", dense_ffn_layers, "blocks whose feed-forward stays dense",
          kStructure);
  v.sections("linears", linears, "those that differ, by name: \"blocks.3.ffn.up\"");
  v.field("init_std", init_std, "standard deviation of initial weights",
          {.role = KeyRole::kFollows});
  v.field("init_residual_scale", init_residual_scale,
          "initial weights that write to the residual stream divided by sqrt(2 n_layers)");
  v.field("tokenizer", tokenizer, "tokenizer file in the model directory, or bytes");
  v.field("begin_token", begin_token, "id put before every text; -1: none",
          KeyMeaning{}.within(-1, kMostIds));
  v.field("end_tokens", end_tokens, "ids that end a text, beside the tokenizer's end of text");
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
  if (rope_dims % 2 || rope_dims > d_head) {
    fail("[spec] rope_dims is {}, expected an even number up to d_head {}", rope_dims, d_head);
  }
  const RopeScalingOption& scaling = rope_scaling;
  if (!(scaling.factor >= 1 && std::isfinite(scaling.factor))) {
    fail("[spec] rope_scaling.factor is {}, expected 1 or more", scaling.factor);
  }
  if (!(scaling.low_freq_factor > 0 && scaling.high_freq_factor > scaling.low_freq_factor &&
        std::isfinite(scaling.high_freq_factor))) {
    fail(
        "[spec] rope_scaling has low_freq_factor {} and high_freq_factor {}, expected 0 < low < "
        "high",
        scaling.low_freq_factor, scaling.high_freq_factor);
  }
  for (const std::string& part : biased_linears) {
    if (std::find(std::begin(kBlockLinearParts), std::end(kBlockLinearParts), part) ==
        std::end(kBlockLinearParts)) {
      fail(
          "[spec] biased_linears has '{}'{}, expected attention.qkv, attention.out, ffn.up or "
          "ffn.down",
          part, did_you_mean(part, std::span<const std::string_view>(kBlockLinearParts)));
    }
  }
  if (begin_token >= vocab_size) {
    fail("[spec] begin_token is {}, expected an id below vocab_size {}", begin_token, vocab_size);
  }
  for (const i64 id : end_tokens) {
    if (id < 0 || id >= vocab_size) {
      fail("[spec] end_tokens has {}, expected ids from 0 to {}", id, vocab_size - 1);
    }
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
