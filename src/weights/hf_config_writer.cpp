#include <nlohmann/json.hpp>

#include "base/error.h"
#include "weights/hf_activations.h"
#include "weights/hf_config.h"

namespace lathe {

namespace {

std::string_view activation_name(Activation activation) {
  for (const HfActivation& row : kHfActivations) {
    if (row.ours == activation) return row.theirs;
  }
  return "?";
}

Json rope_parameters(const ModelSpec& spec) {
  Json rope = {{"rope_type", "default"}, {"rope_theta", spec.rope_base}};
  const RopeScalingOption& scaling = spec.rope_scaling;
  if (scaling.kind == RopeScaling::kNone) return rope;
  rope["rope_type"] = name_of(scaling.kind);
  rope["factor"] = scaling.factor;
  if (scaling.kind != RopeScaling::kLlama3) return rope;
  rope["low_freq_factor"] = scaling.low_freq_factor;
  rope["high_freq_factor"] = scaling.high_freq_factor;
  rope["original_max_position_embeddings"] = scaling.original_context_length;
  return rope;
}

// transformers 4 reads rope_theta and rope_scaling, 5 rope_parameters.
void add_rope(const ModelSpec& spec, Json& config) {
  Json rope = rope_parameters(spec);
  config["rope_theta"] = spec.rope_base;
  if (spec.rope_scaling.kind != RopeScaling::kNone) {
    Json old = rope;
    old.erase("rope_theta");
    config["rope_scaling"] = std::move(old);
  }
  config["rope_parameters"] = std::move(rope);
}

void add_sizes(const ModelSpec& spec, Json& config) {
  config["hidden_size"] = spec.d_model;
  config["num_hidden_layers"] = spec.n_layers;
  config["num_attention_heads"] = spec.n_heads;
  config["num_key_value_heads"] = spec.n_kv_heads;
  config["head_dim"] = spec.d_head;
  config["intermediate_size"] = spec.d_ff;
  config["max_position_embeddings"] = spec.context_length;
  config["hidden_act"] = activation_name(spec.activation);
}

bool any_bias(const ModelSpec& spec, Role role) {
  const Plan plan = make_plan(spec);
  for (const BlockSpec* b : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*b)) {
      if (l.role == role && l.spec->bias) return true;
    }
  }
  return false;
}

void add_family_keys(const FamilyRow& family, const ModelSpec& spec, Json& config) {
  switch (family.family) {
    case Family::kGpt2:
      config["n_embd"] = spec.d_model;
      config["n_layer"] = spec.n_layers;
      config["n_head"] = spec.n_heads;
      config["n_inner"] = spec.d_ff;
      config["n_positions"] = config["n_ctx"] = spec.context_length;
      config["activation_function"] = activation_name(spec.activation);
      config["layer_norm_epsilon"] = spec.norm_eps;
      return;
    case Family::kLlama:
      config["attention_bias"] = any_bias(spec, Role::kAttention);
      config["mlp_bias"] = any_bias(spec, Role::kFfn);
      break;
    case Family::kQwen2:
    case Family::kQwen3:
      config["use_sliding_window"] = false;
      if (family.family == Family::kQwen3) config["attention_bias"] = false;
      break;
    case Family::kStarcoder2:
      config["norm_epsilon"] = spec.norm_eps;
      config["use_bias"] = true;
      config["sliding_window"] = nullptr;
      break;
    case Family::kGptNeox: {
      const i64 dims = spec.rope_dims > 0 ? spec.rope_dims : spec.d_head;
      config["rotary_pct"] = static_cast<double>(dims) / static_cast<double>(spec.d_head);
      config["partial_rotary_factor"] = config["rotary_pct"];
      config["rotary_emb_base"] = spec.rope_base;
      config["layer_norm_eps"] = spec.norm_eps;
      config["use_parallel_residual"] = spec.parallel_residual;
      config["attention_bias"] = true;
      break;
    }
  }
  add_sizes(spec, config);
  add_rope(spec, config);
  if (family.family == Family::kGptNeox) {
    config["rope_parameters"]["partial_rotary_factor"] = config["partial_rotary_factor"];
  }
  if (family.norm == NormKind::kRmsNorm) config["rms_norm_eps"] = spec.norm_eps;
}

}  // namespace

Json to_hf_config(const FamilyRow& family, const ModelSpec& spec) {
  Json config = {{"architectures", {family.hf_class}}, {"model_type", name_of(family.family)}};
  config["vocab_size"] = spec.vocab_size;
  add_family_keys(family, spec, config);
  config["tie_word_embeddings"] = spec.tie_embeddings;
  config["bos_token_id"] = spec.begin_token >= 0 ? Json(spec.begin_token) : Json(nullptr);
  if (spec.end_tokens.size() == 1) config["eos_token_id"] = spec.end_tokens[0];
  if (spec.end_tokens.size() > 1) config["eos_token_id"] = spec.end_tokens;
  // No dropout: these are for running and for training further.
  for (const char* key : {"attention_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop",
                          "residual_dropout", "embedding_dropout", "hidden_dropout"}) {
    config[key] = 0.0;
  }
  return config;
}

}  // namespace lathe
