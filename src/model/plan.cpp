#include "model/plan.h"

#include <algorithm>

#include "base/suggest.h"
#include "model/topologies.h"

namespace lathe {

namespace {

std::string tensor_part(const BlockSpec& block, std::string_view part) {
  return block.name + "." + std::string(part);
}

// value · width / d_model, for what scales with a narrower stage.
i64 scaled(const ModelSpec& spec, i64 value, i64 width, const char* key, i64 layer) {
  const i64 product = checked_product(value, width, key);
  if (product % spec.d_model) {
    fail("[spec] {} {} does not scale to a whole number at width {} of block {}", key, value, width,
         layer);
  }
  return product / spec.d_model;
}

LinearSpec make_linear(const ModelSpec& spec, const LinearOption& usual, i64 in, i64 out, i64 width,
                       const BlockSpec& block, std::string_view part) {
  const std::vector<std::string>& biased = spec.biased_linears;
  LinearOption option = usual;
  if (option.rank > 0) option.rank = scaled(spec, option.rank, width, "rank", block.layer);
  const auto own = spec.linears.find(tensor_part(block, part));
  if (own != spec.linears.end()) option = own->second;
  LinearSpec linear = at_widths(option, {.in = in, .out = out});
  linear.bias = spec.linear_bias &&
                (biased.empty() || std::find(biased.begin(), biased.end(), part) != biased.end());
  return linear;
}

// Every key of spec.linears is the name of a linear there is.
void check_own_linears(const Plan& plan) {
  if (plan.spec.linears.empty()) return;
  std::vector<std::string> names;
  for (const BlockSpec* block : all_blocks(plan)) {
    for (const BlockLinear& linear : block_linears(*block)) names.push_back(linear.name);
  }
  for (const auto& [name, option] : plan.spec.linears) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    fail("[spec] linears has '{}'{}, expected the name of a linear of the model, {} … {}", name,
         did_you_mean(name, names), names.front(), names.back());
  }
}

}  // namespace

NormSpec make_norm(const ModelSpec& spec, i64 width) {
  return {spec.norm, width, spec.norm_eps, spec.norm_bias && is_centred(spec.norm)};
}

BlockSpec make_block(const ModelSpec& spec, i64 layer, i64 width, const std::string& prefix) {
  BlockSpec b;
  b.name = format("{}blocks.{}", prefix, layer);
  b.layer = layer;
  b.d_model = width;
  b.n_heads = spec.n_heads;
  b.n_kv_heads = spec.n_kv_heads;
  b.d_head = scaled(spec, spec.d_head, width, "d_head", layer);
  b.d_ff = scaled(spec, spec.d_ff, width, "d_ff", layer);
  b.norm_1 = b.norm_2 = make_norm(spec, width);
  b.activation = spec.activation;
  if (spec.position == Position::kRope) {
    b.rope = RopeSpec{b.d_head, scaled(spec, spec.rope_dims, width, "rope_dims", layer),
                      spec.rope_base, spec.rope_scaling};
  }
  if (spec.qk_norm) b.qk_norm = make_norm(spec, b.d_head);
  b.parallel = spec.parallel_residual;
  if (b.d_head < 1) fail("[spec] block {} of width {} has no room for its heads", layer, width);
  if (b.rope && (b.d_head % 2 || b.rope->dims % 2)) {
    fail("[spec] rope needs an even d_head and rope_dims, and block {} has {} and {}", layer,
         b.d_head, b.rope->dims);
  }
  const auto& dense = spec.dense_ffn_layers;
  const LinearOption ffn = std::find(dense.begin(), dense.end(), layer) != dense.end()
                               ? LinearOption{}
                               : spec.ffn_linear;
  const i64 q = b.n_heads * b.d_head, kv = b.n_kv_heads * b.d_head;
  const i64 up = is_gated(b.activation) ? 2 * b.d_ff : b.d_ff;
  const LinearOption& attention = spec.attention_linear;
  b.qkv = make_linear(spec, attention, width, q + 2 * kv, width, b, kBlockLinearParts[0]);
  b.out = make_linear(spec, attention, q, width, width, b, kBlockLinearParts[1]);
  b.up = make_linear(spec, ffn, width, up, width, b, kBlockLinearParts[2]);
  b.down = make_linear(spec, ffn, b.d_ff, width, width, b, kBlockLinearParts[3]);
  for (const BlockLinear& linear : block_linears(b)) check_linear(*linear.spec, linear.name);
  return b;
}

std::array<BlockLinear, 4> block_linears(const BlockSpec& b) {
  const auto linear = [&](std::string_view part, const LinearSpec& spec, Role role,
                          bool to_residual) {
    return BlockLinear{part, tensor_part(b, part), &spec, role, to_residual};
  };
  const auto& parts = kBlockLinearParts;
  return {linear(parts[0], b.qkv, Role::kAttention, false),
          linear(parts[1], b.out, Role::kAttention, true),
          linear(parts[2], b.up, Role::kFfn, false), linear(parts[3], b.down, Role::kFfn, true)};
}

Plan make_plan(const ModelSpec& spec) {
  spec.validate();
  Plan plan{spec, {}};
  plan.stages.push_back(EmbedStage{spec.vocab_size, spec.context_length, spec.d_model,
                                   spec.position == Position::kLearned});
  const i64 width = topology(spec.topology.kind).add_stages(spec, plan.stages);
  if (spec.tie_embeddings && width != spec.d_model) {
    fail(
        "[spec] tie_embeddings needs a head as wide as the embedding, and topology {} ends at {} "
        "of {}; set tie_embeddings = false",
        name_of(spec.topology.kind), width, spec.d_model);
  }
  plan.stages.push_back(NormStage{make_norm(spec, width)});
  plan.stages.push_back(HeadStage{width, spec.vocab_size, spec.tie_embeddings});
  check_own_linears(plan);
  return plan;
}

std::vector<const BlockSpec*> all_blocks(const Plan& plan) {
  std::vector<const BlockSpec*> list;
  for (const Stage& stage : plan.stages) {
    const auto blocks = blocks_of(stage);
    list.insert(list.end(), blocks.begin(), blocks.end());
  }
  return list;
}

}  // namespace lathe
