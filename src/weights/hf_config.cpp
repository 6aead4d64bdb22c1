#include "weights/hf_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/numeric.h"
#include "base/suggest.h"
#include "weights/hf_activations.h"

namespace lathe {

namespace {

// Members with errors that name them; a null is as good as none.
class Config {
 public:
  Config(const Json& object, const std::string& where) : object_(object), where_(where) {}

  const Json* find(const char* key) const {
    const auto at = object_.find(key);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  i64 integer(const char* key, std::optional<i64> absent = {}) const {
    return value(key, absent, "a whole number",
                 [](const Json& j) { return j.is_number_integer(); });
  }
  double number(const char* key, std::optional<double> absent = {}) const {
    return value(key, absent, "a number", [](const Json& j) { return j.is_number(); });
  }
  bool flag(const char* key, bool absent) const {
    return value(key, std::optional(absent), "true or false",
                 [](const Json& j) { return j.is_boolean(); });
  }
  std::string text(const char* key, std::optional<std::string> absent = {}) const {
    return value(key, absent, "text", [](const Json& j) { return j.is_string(); });
  }
  [[noreturn]] void unsupported(const char* key, const std::string& found,
                                const std::string& expected) const {
    fail("[import] {}: {} is {}, expected {}; lathe would compute something else", where_, key,
         found, expected);
  }
  const std::string& where() const { return where_; }

 private:
  template <class T, class Is>
  T value(const char* key, const std::optional<T>& absent, const char* expected, Is is) const {
    const Json* found = find(key);
    if (!found) {
      if (!absent) fail("[import] {}: '{}' is missing", where_, key);
      return *absent;
    }
    if (!is(*found)) {
      fail("[import] {}: '{}' is {}, expected {}", where_, key, found->dump().substr(0, 60),
           expected);
    }
    return found->get<T>();
  }

  const Json& object_;
  std::string where_;
};

// Of gated families the function of the gate is named.
Activation read_activation(const Config& config, const char* key, const char* absent,
                           const FamilyRow& family) {
  const std::string name = config.text(key, absent);
  for (const HfActivation& row : kHfActivations) {
    const auto& known = family.activations;
    if (row.theirs == name && std::find(known.begin(), known.end(), row.ours) != known.end()) {
      return row.ours;
    }
  }
  std::string known;
  for (const HfActivation& row : kHfActivations) {
    if (std::find(family.activations.begin(), family.activations.end(), row.ours) !=
        family.activations.end()) {
      known += (known.empty() ? "" : " or ") + std::string(row.theirs);
    }
  }
  config.unsupported(key, "'" + name + "'", known);
}

// transformers 5 has all of it in rope_parameters, older configs rope_theta and rope_scaling.
void read_rope(const Config& config, ModelSpec& spec) {
  spec.position = Position::kRope;
  spec.rope_base = config.number("rope_theta", config.number("rotary_emb_base", 10000.0));
  const char* key = config.find("rope_parameters") ? "rope_parameters" : "rope_scaling";
  const Json* found = config.find(key);
  if (!found) return;
  if (!found->is_object()) config.unsupported(key, found->dump().substr(0, 60), "an object");
  const Config rope(*found, config.where() + ": " + key);
  spec.rope_base = rope.number("rope_theta", spec.rope_base);
  const std::string kind = rope.text("rope_type", rope.text("type", "default"));
  RopeScalingOption& scaling = spec.rope_scaling;
  if (kind == "linear") {
    scaling = {.kind = RopeScaling::kLinear, .factor = rope.number("factor")};
  } else if (kind == "llama3") {
    scaling = {.kind = RopeScaling::kLlama3,
               .factor = rope.number("factor"),
               .low_freq_factor = rope.number("low_freq_factor"),
               .high_freq_factor = rope.number("high_freq_factor"),
               .original_context_length = rope.integer("original_max_position_embeddings")};
  } else if (kind != "default") {
    rope.unsupported("rope_type", "'" + kind + "'", "default, linear or llama3");
  }
}

double partial_share(const Config& config) {
  const Json* rope = config.find("rope_parameters");
  if (rope && rope->is_object() && rope->contains("partial_rotary_factor")) {
    return Config(*rope, config.where() + ": rope_parameters").number("partial_rotary_factor");
  }
  return config.number("partial_rotary_factor", config.number("rotary_pct", 1.0));
}

// Attention that sees only the last so many positions is full attention up to that many.
void read_window(const Config& config, ForeignConfig& out) {
  const Json* window = config.find("sliding_window");
  if (!window || !config.flag("use_sliding_window", true)) return;
  const i64 n = config.integer("sliding_window");
  if (n < 1) config.unsupported("sliding_window", std::to_string(n), "1 or more");
  if (n >= out.spec.context_length) return;
  out.notes.push_back(format("context_length is {}, the window that attention slides over, not {}",
                             n, out.spec.context_length));
  out.spec.context_length = n;
}

void read_sizes(const Config& config, ModelSpec& spec) {
  spec.vocab_size = config.integer("vocab_size");
  spec.d_model = config.integer("hidden_size");
  spec.n_layers = config.integer("num_hidden_layers");
  spec.n_heads = config.integer("num_attention_heads");
  spec.n_kv_heads = config.integer("num_key_value_heads", spec.n_heads);
  if (spec.d_model < 1) {
    config.unsupported("hidden_size", std::to_string(spec.d_model), "1 or more");
  }
  if (spec.n_heads < 1) {
    config.unsupported("num_attention_heads", std::to_string(spec.n_heads), "1 or more");
  }
  spec.d_head = config.integer("head_dim", spec.d_model / spec.n_heads);
  spec.d_ff = config.integer("intermediate_size");
  spec.context_length = config.integer("max_position_embeddings");
}

void read_gpt2(const Config& config, const FamilyRow& family, ForeignConfig& out) {
  ModelSpec& spec = out.spec;
  spec.vocab_size = config.integer("vocab_size");
  spec.d_model = config.integer("n_embd");
  spec.n_layers = config.integer("n_layer");
  spec.n_heads = spec.n_kv_heads = config.integer("n_head");
  if (spec.n_heads < 1 || spec.d_model < 1 || spec.d_model % spec.n_heads) {
    config.unsupported("n_head", std::to_string(spec.n_heads), "a divisor of n_embd");
  }
  spec.d_head = spec.d_model / spec.n_heads;
  spec.d_ff = config.integer("n_inner", checked_product(4, spec.d_model, "n_inner"));
  spec.context_length = config.integer("n_positions", config.integer("n_ctx", 1024));
  spec.norm_eps = config.number("layer_norm_epsilon", 1e-5);
  spec.activation = read_activation(config, "activation_function", "gelu_new", family);
  spec.position = Position::kLearned;
  spec.tie_embeddings = config.flag("tie_word_embeddings", true);
  for (const char* key : {"scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn"}) {
    if (config.flag(key, false)) config.unsupported(key, "true", "false");
  }
  if (!config.flag("scale_attn_weights", true)) {
    config.unsupported("scale_attn_weights", "false", "true");
  }
}

// Llama, Qwen2 and Qwen3.
void read_llama_like(const Config& config, const FamilyRow& family, ForeignConfig& out) {
  ModelSpec& spec = out.spec;
  read_sizes(config, spec);
  read_rope(config, spec);
  spec.norm_eps = config.number("rms_norm_eps", 1e-6);
  spec.activation = read_activation(config, "hidden_act", "silu", family);
  spec.tie_embeddings = config.flag("tie_word_embeddings", false);
  spec.qk_norm = family.qk_norm;
  const bool by_config = family.biases == Biases::kByConfig;
  const bool attention = by_config && config.flag("attention_bias", false);
  const bool ffn = by_config && config.flag("mlp_bias", false);
  if (family.biases == Biases::kNone && config.flag("attention_bias", false)) {
    config.unsupported("attention_bias", "true", "false");
  }
  if (family.biases == Biases::kQkv) spec.biased_linears = {"attention.qkv"};
  if (attention && !ffn) spec.biased_linears = {"attention.qkv", "attention.out"};
  if (ffn && !attention) spec.biased_linears = {"ffn.up", "ffn.down"};
  spec.linear_bias = attention || ffn || family.biases == Biases::kQkv;
  if (family.family == Family::kLlama) {
    if (config.find("sliding_window")) read_window(config, out);
  } else if (config.flag("use_sliding_window", false)) {
    read_window(config, out);
  }
}

void read_starcoder2(const Config& config, const FamilyRow& family, ForeignConfig& out) {
  ModelSpec& spec = out.spec;
  read_sizes(config, spec);
  read_rope(config, spec);
  spec.norm_eps = config.number("norm_epsilon", 1e-5);
  spec.activation = read_activation(config, "hidden_act", "gelu_pytorch_tanh", family);
  spec.linear_bias = config.flag("use_bias", true);
  spec.tie_embeddings = config.flag("tie_word_embeddings", true);
  read_window(config, out);
}

void read_gpt_neox(const Config& config, const FamilyRow& family, ForeignConfig& out) {
  ModelSpec& spec = out.spec;
  read_sizes(config, spec);
  read_rope(config, spec);
  const double share = partial_share(config);
  if (!(share >= 0 && share <= 1)) {
    config.unsupported("the rotating share of a head", format("{}", share), "0 to 1");
  }
  const double dims = share * static_cast<double>(spec.d_head);
  spec.rope_dims = static_cast<i64>(dims);
  if (spec.rope_dims == spec.d_head) spec.rope_dims = 0;
  spec.norm_eps = config.number("layer_norm_eps", 1e-5);
  spec.activation = read_activation(config, "hidden_act", "gelu", family);
  spec.parallel_residual = config.flag("use_parallel_residual", true);
  spec.tie_embeddings = config.flag("tie_word_embeddings", false);
  if (!config.flag("attention_bias", true)) spec.biased_linears = {"ffn.up", "ffn.down"};
}

struct Reader {
  Family family;
  void (*read)(const Config&, const FamilyRow&, ForeignConfig&);
};
constexpr Reader kReaders[] = {
    {Family::kGpt2, read_gpt2},
    {Family::kLlama, read_llama_like},
    {Family::kQwen2, read_llama_like},
    {Family::kQwen3, read_llama_like},
    {Family::kStarcoder2, read_starcoder2},
    {Family::kGptNeox, read_gpt_neox},
};
static_assert(one_row_each(kReaders, &Reader::family));

// One id or a list of them.
std::vector<i64> read_ids(const Json* value, const Config& config, const char* key) {
  if (!value) return {};
  std::vector<i64> ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    if (!id.is_number_integer()) config.unsupported(key, id.dump().substr(0, 40), "token ids");
    ids.push_back(id.get<i64>());
  }
  return ids;
}

}  // namespace

ForeignConfig parse_hf_config(const Json& object, const std::string& where) {
  if (!object.is_object()) fail("[import] {}: no JSON object", where);
  const Config config(object, where);
  const std::string type = config.text("model_type");
  std::vector<std::string> known;
  for (const FamilyRow& row : families()) known.emplace_back(name_of(row.family));
  const auto at = std::find(known.begin(), known.end(), type);
  if (at == known.end()) {
    std::string list;
    for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
    fail("[import] {}: model_type '{}'{} is not among {}", where, type, did_you_mean(type, known),
         list);
  }
  const FamilyRow& family = families()[static_cast<size_t>(at - known.begin())];
  ForeignConfig out{.family = &family, .spec = {}, .notes = {}};
  ModelSpec& spec = out.spec;
  spec.norm = family.norm;
  spec.norm_bias = family.norm_bias;
  spec.dense_ffn_layers = {};
  kReaders[static_cast<size_t>(family.family)].read(config, family, out);
  for (const i64 id : read_ids(config.find("eos_token_id"), config, "eos_token_id")) {
    if (id >= 0 && id < spec.vocab_size) spec.end_tokens.push_back(id);
  }
  blaming(where, [&] { make_plan(spec); });
  return out;
}

}  // namespace lathe
