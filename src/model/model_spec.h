// The hyper-parameters of a model, as in a config.json: plain data. make_plan (model/plan.h) gives
// them their meaning.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/linear_spec.h"

namespace lathe {

enum class NormKind { kLayerNorm, kRmsNorm };
enum class Activation { kGeluTanh, kGelu, kSwiglu };
enum class Position { kRope, kLearned, kNone };
enum class TopologyKind { kGpt, kPgpt, kLgpt, kCgpt };
enum class RopeScaling { kNone, kLinear, kLlama3 };
constexpr auto names_of(NormKind) { return enum_names<NormKind>("layer_norm", "rms_norm"); }
constexpr auto names_of(Activation) {
  return enum_names<Activation>("gelu_tanh", "gelu", "swiglu");
}
constexpr auto names_of(Position) { return enum_names<Position>("rope", "learned", "none"); }
constexpr auto names_of(TopologyKind) {
  return enum_names<TopologyKind>("gpt", "pgpt", "lgpt", "cgpt");
}
constexpr auto names_of(RopeScaling) { return enum_names<RopeScaling>("none", "linear", "llama3"); }

// Whether the activation takes two numbers for each it gives, [gate | value].
constexpr bool is_gated(Activation activation) {
  switch (activation) {
    case Activation::kGeluTanh:
    case Activation::kGelu:
      return false;
    case Activation::kSwiglu:
      return true;
  }
  return false;
}

// Whether the norm subtracts the mean, and so may have a bias.
constexpr bool is_centred(NormKind norm) {
  switch (norm) {
    case NormKind::kLayerNorm:
      return true;
    case NormKind::kRmsNorm:
      return false;
  }
  return false;
}

// How the blocks are connected (model/topologies.h has the table of topologies).
struct TopologyOption {
  TopologyKind kind = TopologyKind::kGpt;
  i64 n_paths = 2;           // parallel paths
  i64 blocks_per_stage = 2;  // blocks before each halving of the width
  i64 kernel_size = 3;       // of the causal convolution that halves the width
  void visit_fields(FieldVisitor& v);
};

// Rotary frequencies slowed down for a longer context than the model was first trained with
// (model/rotary.h has the formulas).
struct RopeScalingOption {
  RopeScaling kind = RopeScaling::kNone;
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  i64 original_context_length = 8192;
  void visit_fields(FieldVisitor& v);
  bool operator==(const RopeScalingOption&) const = default;
};

struct ModelSpec {
  i64 vocab_size = 32000;
  i64 context_length = 1024;
  i64 d_model = 768;
  i64 n_layers = 12;
  i64 n_heads = 12;
  i64 n_kv_heads = 12;
  i64 d_head = 64;
  i64 d_ff = 3072;
  TopologyOption topology;
  NormKind norm = NormKind::kLayerNorm;
  double norm_eps = 1e-5;
  bool norm_bias = true;
  Activation activation = Activation::kGeluTanh;
  Position position = Position::kRope;
  double rope_base = 10000;
  i64 rope_dims = 0;  // 0: d_head
  RopeScalingOption rope_scaling;
  bool qk_norm = false;
  bool parallel_residual = false;
  bool linear_bias = true;
  std::vector<std::string> biased_linears;  // parts; none: all
  bool tie_embeddings = true;
  LinearOption ffn_linear;
  LinearOption attention_linear;
  std::vector<i64> dense_ffn_layers = {0};
  // Linears that differ from those three, by name: "blocks.3.ffn.up". Ranks are of that linear, not
  // scaled to a narrower stage.
  std::map<std::string, LinearOption> linears;
  double init_std = 0.02;
  bool init_residual_scale = false;
  std::string tokenizer = "tokenizer.model";
  i64 begin_token = -1;         // −1: none
  std::vector<i64> end_tokens;  // beside the tokenizer's end of text

  void visit_fields(FieldVisitor& v);
  // Error unless every count is in range; whether shapes divide is make_plan's to find.
  void validate() const;
};

// Strict: unknown keys and wrong types are Errors naming `where`.
ModelSpec parse_model_spec(const Json& object, const std::string& where);
Json to_json(const ModelSpec& spec);

}  // namespace lathe
