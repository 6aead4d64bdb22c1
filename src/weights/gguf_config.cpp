#include "weights/gguf_config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/numeric.h"
#include "weights/number_formats.h"

namespace lathe {

namespace {

// The keys of the norms' ε, by kind.
constexpr const char* kLayerNormEps = "attention.layer_norm_epsilon";
constexpr const char* kRmsNormEps = "attention.layer_norm_rms_epsilon";
const char* eps_key(NormKind norm) { return is_centred(norm) ? kLayerNormEps : kRmsNormEps; }

const FamilyRow& family_of(const std::string& architecture, const std::string& where) {
  std::string known;
  for (const FamilyRow& row : families()) {
    if (row.gguf_architecture == architecture) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.gguf_architecture);
  }
  fail("[import] {}: architecture '{}' is not among {}", where, architecture, known);
}

// A count that may be given for every layer: the same for all.
i64 uniform(const GgufMetadata& m, const std::string& key, std::optional<i64> absent = {}) {
  const auto at = m.values.find(key);
  const auto* list = at == m.values.end() ? nullptr : std::get_if<std::vector<i64>>(&at->second);
  if (!list) return m.integer(key, absent);
  if (list->empty() ||
      std::adjacent_find(list->begin(), list->end(), std::not_equal_to<>()) != list->end()) {
    fail("[import] {}: '{}' differs from layer to layer, expected one number for all", m.where,
         key);
  }
  return list->front();
}

// A head's factors are llama3's of a power-of-two context, or nothing that lathe knows.
void read_rope_factors(const TensorView& factors, const std::string& where, ModelSpec& spec) {
  std::vector<float> found(static_cast<size_t>(factors.numel()));
  if (!holds_weights(factors.dtype) || factors.numel() != spec.d_head / 2) {
    fail("[import] {}: '{}' is {}, expected f32 ({})", where, kGgufRopeFactors,
         describe_tensor(factors.dtype, factors.shape), spec.d_head / 2);
  }
  to_f32(factors.dtype, factors.bytes.data(), factors.numel(), found.data());
  const bool plain = std::all_of(found.begin(), found.end(), [](float f) { return f == 1.0f; });
  if (plain) return;
  RopeScalingOption& scaling = spec.rope_scaling;
  scaling.kind = RopeScaling::kLlama3;
  scaling.factor = std::max(1.0, static_cast<double>(found.empty() ? 1.0f : found.back()));
  for (const i64 context : {8192, 4096, 2048, 1024, 16384, 32768}) {
    scaling.original_context_length = context;
    const std::vector<float> ours = rope_factors(spec);
    const bool equal = std::equal(ours.begin(), ours.end(), found.begin(), [](float a, float b) {
      return std::abs(a - b) <= 1e-4f * std::abs(b);
    });
    if (equal) return;
  }
  fail(
      "[import] {}: the factors in '{}' are not those of rope scaling llama3 with its usual "
      "settings, which is all that lathe knows",
      where, kGgufRopeFactors);
}

void read_rope(const WeightSource& file, const GgufMetadata& m, const std::string& prefix,
               const FamilyRow& family, ModelSpec& spec) {
  spec.position = Position::kRope;
  spec.rope_base = m.number(prefix + "rope.freq_base", 10000.0);
  const i64 dims = m.integer(prefix + "rope.dimension_count", spec.d_head);
  if (dims != spec.d_head) {
    if (!family.partial_rope) {
      fail("[import] {}: {}rope.dimension_count is {}, expected the width of a head, {}", m.where,
           prefix, dims, spec.d_head);
    }
    spec.rope_dims = dims;
  }
  const std::string kind = m.text(prefix + "rope.scaling.type", "none");
  if (kind == "linear") {
    spec.rope_scaling = {.kind = RopeScaling::kLinear,
                         .factor = m.number(prefix + "rope.scaling.factor")};
  } else if (kind != "none") {
    fail("[import] {}: {}rope.scaling.type is '{}', expected none or linear", m.where, prefix,
         kind);
  }
  if (const TensorView* factors = file.find(kGgufRopeFactors)) {
    read_rope_factors(*factors, m.where, spec);
  }
}

// Which linears of block 0 have biases in the file.
void read_biases(const WeightSource& file, const FamilyRow& family, ModelSpec& spec) {
  spec.biased_linears.clear();
  for (const ModuleName& module : family.gguf_modules) {
    const bool is_linear = std::find(std::begin(kBlockLinearParts), std::end(kBlockLinearParts),
                                     module.ours) != std::end(kBlockLinearParts);
    const size_t at = module.theirs.find("{}");
    if (!is_linear || at == module.theirs.npos) continue;
    std::string name(module.theirs);
    name.replace(at, 2, "0");
    const std::string part(module.ours);
    if (file.find(name + ".bias") &&
        std::find(spec.biased_linears.begin(), spec.biased_linears.end(), part) ==
            spec.biased_linears.end()) {
      spec.biased_linears.push_back(part);
    }
  }
  spec.linear_bias = !spec.biased_linears.empty();
  if (spec.biased_linears.size() == std::size(kBlockLinearParts)) spec.biased_linears.clear();
}

void read_tokens(const GgufMetadata& m, ModelSpec& spec) {
  const auto known = [&](const char* key) {
    const i64 id = m.integer(key, -1);
    return id >= 0 && id < spec.vocab_size ? id : -1;
  };
  // llama.cpp puts it before these where the file does not say.
  const std::string pre = m.text("tokenizer.ggml.pre", "");
  const bool usual = m.text("tokenizer.ggml.model", "") == "llama" || pre == "llama-bpe" ||
                     pre == "llama3" || pre == "llama-v3";
  if (m.flag("tokenizer.ggml.add_bos_token", usual)) {
    spec.begin_token = known("tokenizer.ggml.bos_token_id");
  }
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const i64 id = known(key);
    if (id >= 0 &&
        std::find(spec.end_tokens.begin(), spec.end_tokens.end(), id) == spec.end_tokens.end()) {
      spec.end_tokens.push_back(id);
    }
  }
}

}  // namespace

ForeignConfig parse_gguf_config(const WeightSource& file, const GgufMetadata& m) {
  const std::string architecture = m.text("general.architecture");
  const FamilyRow& family = family_of(architecture, m.where);
  const std::string prefix = architecture + ".";
  if (m.integer(prefix + "expert_count", 0) > 0) {
    fail("[import] {}: a mixture of experts, which lathe does not run", m.where);
  }
  ForeignConfig out{.family = &family, .spec = {}, .notes = {}};
  ModelSpec& spec = out.spec;
  const TensorView& tokens = file.get("token_embd.weight");
  if (tokens.shape.size() != 2) {
    fail("[import] {}: 'token_embd.weight' is {}, expected a matrix", m.where,
         describe_tensor(tokens.dtype, tokens.shape));
  }
  spec.vocab_size = tokens.shape[0];
  spec.d_model = m.integer(prefix + "embedding_length");
  spec.n_layers = m.integer(prefix + "block_count");
  spec.context_length = m.integer(prefix + "context_length");
  spec.d_ff = uniform(m, prefix + "feed_forward_length",
                      checked_product(4, spec.d_model, "feed_forward_length"));
  spec.n_heads = uniform(m, prefix + "attention.head_count");
  spec.n_kv_heads = uniform(m, prefix + "attention.head_count_kv", spec.n_heads);
  if (spec.n_heads < 1 || spec.d_model < 1) {
    fail("[import] {}: {} heads of a width of {}, expected 1 or more of each", m.where,
         spec.n_heads, spec.d_model);
  }
  spec.d_head = m.integer(prefix + "attention.key_length", spec.d_model / spec.n_heads);
  spec.norm = family.norm;
  spec.norm_bias = family.norm_bias;
  spec.norm_eps = m.number(prefix + eps_key(family.norm));
  spec.activation = family.activations[0];
  spec.position = family.position;
  spec.qk_norm = family.qk_norm;
  spec.parallel_residual = family.parallel && m.flag(prefix + "use_parallel_residual", true);
  spec.tie_embeddings = !file.find("output.weight");
  spec.dense_ffn_layers = {};
  if (spec.position == Position::kRope) read_rope(file, m, prefix, family, spec);
  read_biases(file, family, spec);
  read_tokens(m, spec);
  blaming(m.where, [&] { make_plan(spec); });
  return out;
}

std::vector<float> rope_factors(const ModelSpec& spec) {
  if (spec.rope_scaling.kind != RopeScaling::kLlama3) return {};
  RopeSpec rope{spec.d_head, spec.rope_dims, spec.rope_base, spec.rope_scaling};
  const std::vector<double> scaled = rotary_frequencies(rope);
  rope.scaling = {};
  const std::vector<double> plain = rotary_frequencies(rope);
  std::vector<float> factors;
  for (size_t i = 0; i < plain.size(); ++i)
    factors.push_back(static_cast<float>(plain[i] / scaled[i]));
  return factors;
}

GgufEntries to_gguf_config(const FamilyRow& family, const ModelSpec& spec) {
  const std::string architecture(family.gguf_architecture);
  GgufEntries entries = {{"general.architecture", architecture}};
  const auto add = [&](const char* key, GgufValue value) {
    entries.emplace_back(architecture + "." + key, std::move(value));
  };
  add("context_length", spec.context_length);
  add("embedding_length", spec.d_model);
  add("block_count", spec.n_layers);
  add("feed_forward_length", spec.d_ff);
  add("attention.head_count", spec.n_heads);
  add("attention.head_count_kv", spec.n_kv_heads);
  add("attention.key_length", spec.d_head);
  add("attention.value_length", spec.d_head);
  add(eps_key(family.norm), spec.norm_eps);
  add("vocab_size", spec.vocab_size);
  if (family.parallel) add("use_parallel_residual", spec.parallel_residual);
  if (family.position != Position::kRope) return entries;
  add("rope.dimension_count", spec.rope_dims > 0 ? spec.rope_dims : spec.d_head);
  add("rope.freq_base", spec.rope_base);
  if (spec.rope_scaling.kind == RopeScaling::kLinear) {
    add("rope.scaling.type", std::string("linear"));
    add("rope.scaling.factor", spec.rope_scaling.factor);
  }
  return entries;
}

}  // namespace lathe
