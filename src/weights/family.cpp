#include "weights/family.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"

namespace lathe {

namespace {

template <size_t N, size_t M>
consteval std::array<ModuleName, N + M> joined(const std::array<ModuleName, N>& a,
                                               const std::array<ModuleName, M>& b) {
  std::array<ModuleName, N + M> all;
  std::copy(a.begin(), a.end(), all.begin());
  std::copy(b.begin(), b.end(), all.begin() + N);
  return all;
}

constexpr auto kHfGpt2 = std::to_array<ModuleName>({
    {"embedding.tokens", "transformer.wte"},
    {"embedding.positions", "transformer.wpe"},
    {"norm_1", "transformer.h.{}.ln_1"},
    {"attention.qkv", "transformer.h.{}.attn.c_attn"},
    {"attention.out", "transformer.h.{}.attn.c_proj"},
    {"norm_2", "transformer.h.{}.ln_2"},
    {"ffn.up", "transformer.h.{}.mlp.c_fc"},
    {"ffn.down", "transformer.h.{}.mlp.c_proj"},
    {"norm", "transformer.ln_f"},
    {"head", "lm_head"},
});
constexpr auto kHfGptNeox = std::to_array<ModuleName>({
    {"embedding.tokens", "gpt_neox.embed_in"},
    {"norm_1", "gpt_neox.layers.{}.input_layernorm"},
    {"attention.qkv", "gpt_neox.layers.{}.attention.query_key_value", Piece::kHeadwiseQkv},
    {"attention.out", "gpt_neox.layers.{}.attention.dense"},
    {"norm_2", "gpt_neox.layers.{}.post_attention_layernorm"},
    {"ffn.up", "gpt_neox.layers.{}.mlp.dense_h_to_4h"},
    {"ffn.down", "gpt_neox.layers.{}.mlp.dense_4h_to_h"},
    {"norm", "gpt_neox.final_layer_norm"},
    {"head", "embed_out"},
});
// Llama's names, which others took over, and the two sorts of feed-forward layers behind them.
constexpr auto kHfCommon = std::to_array<ModuleName>({
    {"embedding.tokens", "model.embed_tokens"},
    {"norm_1", "model.layers.{}.input_layernorm"},
    {"attention.qkv", "model.layers.{}.self_attn.q_proj", Piece::kQ},
    {"attention.qkv", "model.layers.{}.self_attn.k_proj", Piece::kK},
    {"attention.qkv", "model.layers.{}.self_attn.v_proj", Piece::kV},
    {"attention.q_norm", "model.layers.{}.self_attn.q_norm"},
    {"attention.k_norm", "model.layers.{}.self_attn.k_norm"},
    {"attention.out", "model.layers.{}.self_attn.o_proj"},
    {"norm_2", "model.layers.{}.post_attention_layernorm"},
    {"norm", "model.norm"},
    {"head", "lm_head"},
});
constexpr auto kHfLlama =
    joined(kHfCommon, std::to_array<ModuleName>({
                          {"ffn.up", "model.layers.{}.mlp.gate_proj", Piece::kGateRows},
                          {"ffn.up", "model.layers.{}.mlp.up_proj", Piece::kValueRows},
                          {"ffn.down", "model.layers.{}.mlp.down_proj"},
                      }));
constexpr auto kHfStarcoder2 = joined(kHfCommon, std::to_array<ModuleName>({
                                                     {"ffn.up", "model.layers.{}.mlp.c_fc"},
                                                     {"ffn.down", "model.layers.{}.mlp.c_proj"},
                                                 }));

// GGUF has one set of names; whether q, k and v are apart is the architecture's.
constexpr auto kGgufCommon = std::to_array<ModuleName>({
    {"embedding.tokens", "token_embd"},
    {"embedding.positions", "position_embd"},
    {"norm_1", "blk.{}.attn_norm"},
    {"attention.out", "blk.{}.attn_output"},
    {"norm_2", "blk.{}.ffn_norm"},
    {"ffn.down", "blk.{}.ffn_down"},
    {"norm", "output_norm"},
    {"head", "output"},
});
constexpr auto kGgufApart = joined(kGgufCommon, std::to_array<ModuleName>({
                                                    {"attention.qkv", "blk.{}.attn_q", Piece::kQ},
                                                    {"attention.qkv", "blk.{}.attn_k", Piece::kK},
                                                    {"attention.qkv", "blk.{}.attn_v", Piece::kV},
                                                    {"attention.q_norm", "blk.{}.attn_q_norm"},
                                                    {"attention.k_norm", "blk.{}.attn_k_norm"},
                                                }));
constexpr auto kPlainUp = std::to_array<ModuleName>({{"ffn.up", "blk.{}.ffn_up"}});
constexpr auto kGatedUp =
    std::to_array<ModuleName>({{"ffn.up", "blk.{}.ffn_gate", Piece::kGateRows},
                               {"ffn.up", "blk.{}.ffn_up", Piece::kValueRows}});
constexpr auto kGgufFused =
    joined(joined(kGgufCommon, kPlainUp),
           std::to_array<ModuleName>({{"attention.qkv", "blk.{}.attn_qkv"}}));
constexpr auto kGgufLlama = joined(kGgufApart, kGatedUp);
constexpr auto kGgufStarcoder2 = joined(kGgufApart, kPlainUp);

constexpr Activation kGelus[] = {Activation::kGeluTanh, Activation::kGelu};
constexpr Activation kSwiglu[] = {Activation::kSwiglu};

constexpr FamilyRow llama_like(Family family, std::string_view hf_class, std::string_view gguf,
                               Biases biases, bool qk_norm, bool interleaved) {
  return {.family = family,
          .hf_class = hf_class,
          .gguf_architecture = gguf,
          .norm = NormKind::kRmsNorm,
          .norm_bias = false,
          .activations = kSwiglu,
          .position = Position::kRope,
          .biases = biases,
          .qk_norm = qk_norm,
          .grouped = true,
          .free_head_width = true,
          .partial_rope = false,
          .parallel = false,
          .scaled_rope = true,
          .hf_transposed = false,
          .gguf_interleaved = interleaved,
          .hf_modules = kHfLlama,
          .gguf_modules = kGgufLlama};
}

constexpr FamilyRow kFamilies[] = {
    {.family = Family::kGpt2,
     .hf_class = "GPT2LMHeadModel",
     .gguf_architecture = "gpt2",
     .norm = NormKind::kLayerNorm,
     .norm_bias = true,
     .activations = kGelus,
     .position = Position::kLearned,
     .biases = Biases::kAll,
     .qk_norm = false,
     .grouped = false,
     .free_head_width = false,
     .partial_rope = false,
     .parallel = false,
     .scaled_rope = false,
     .hf_transposed = true,
     .gguf_interleaved = false,
     .hf_modules = kHfGpt2,
     .gguf_modules = kGgufFused},
    llama_like(Family::kLlama, "LlamaForCausalLM", "llama", Biases::kByConfig, false, true),
    llama_like(Family::kQwen2, "Qwen2ForCausalLM", "qwen2", Biases::kQkv, false, false),
    llama_like(Family::kQwen3, "Qwen3ForCausalLM", "qwen3", Biases::kNone, true, false),
    {.family = Family::kStarcoder2,
     .hf_class = "Starcoder2ForCausalLM",
     .gguf_architecture = "starcoder2",
     .norm = NormKind::kLayerNorm,
     .norm_bias = true,
     .activations = kGelus,
     .position = Position::kRope,
     .biases = Biases::kAll,
     .qk_norm = false,
     .grouped = true,
     .free_head_width = false,
     .partial_rope = false,
     .parallel = false,
     .scaled_rope = true,
     .hf_transposed = false,
     .gguf_interleaved = false,
     .hf_modules = kHfStarcoder2,
     .gguf_modules = kGgufStarcoder2},
    {.family = Family::kGptNeox,
     .hf_class = "GPTNeoXForCausalLM",
     .gguf_architecture = "gptneox",
     .norm = NormKind::kLayerNorm,
     .norm_bias = true,
     .activations = kGelus,
     .position = Position::kRope,
     .biases = Biases::kAll,
     .qk_norm = false,
     .grouped = false,
     .free_head_width = false,
     .partial_rope = true,
     .parallel = true,
     .scaled_rope = false,
     .hf_transposed = false,
     .gguf_interleaved = false,
     .hf_modules = kHfGptNeox,
     .gguf_modules = kGgufFused},
};
static_assert(one_row_each(kFamilies, &FamilyRow::family));

// The first thing in which a spec and a family differ.
class Comparison {
 public:
  Comparison(const FamilyRow& row, const ModelSpec& spec) : row_(row), spec_(spec) {}

  int agreed = 0;
  int n_zeros = 0;  // linears whose biases would be zeros
  std::string run() {
    same("position", row_.position, spec_.position);
    same("norm", row_.norm, spec_.norm);
    if (std::find(row_.activations.begin(), row_.activations.end(), spec_.activation) ==
        row_.activations.end()) {
      differs("activation", name_of(row_.activations[0]), name_of(spec_.activation));
    }
    truth("qk_norm", row_.qk_norm, row_.qk_norm, spec_.qk_norm);
    truth("parallel_residual", false, row_.parallel, spec_.parallel_residual);
    biases();
    const bool grouped = spec_.n_kv_heads != spec_.n_heads;
    if (grouped && !row_.grouped) {
      differs("n_kv_heads", format("n_heads ({})", spec_.n_heads), format("{}", spec_.n_kv_heads));
    }
    if (!row_.free_head_width && spec_.d_head * spec_.n_heads != spec_.d_model) {
      differs("n_heads × d_head", format("d_model ({})", spec_.d_model),
              format("{} × {}", spec_.n_heads, spec_.d_head));
    }
    if (spec_.rope_dims != 0 && spec_.rope_dims != spec_.d_head && !row_.partial_rope) {
      differs("rope_dims", format("d_head ({})", spec_.d_head), format("{}", spec_.rope_dims));
    }
    if (spec_.rope_scaling.kind != RopeScaling::kNone && !row_.scaled_rope) {
      differs("rope_scaling", "none", name_of(spec_.rope_scaling.kind));
    }
    return reason_;
  }

 private:
  template <class E>
  void same(const char* what, E theirs, E ours) {
    if (theirs != ours) differs(what, name_of(theirs), name_of(ours));
    if (reason_.empty()) ++agreed;
  }
  // It has to be `least`, and may be true where `most` is.
  void truth(const char* what, bool least, bool most, bool ours) {
    if ((ours && !most) || (!ours && least)) {
      differs(what, most ? "true" : "false", ours ? "true" : "false");
    }
    if (reason_.empty()) ++agreed;
  }
  void biases() {
    const Plan plan = make_plan(spec_);
    for (const BlockSpec* b : all_blocks(plan)) {
      for (const BlockLinear& l : block_linears(*b)) {
        const bool theirs = file_has_bias(row_, *b, l);
        if (l.spec->bias && !theirs) differs(format("bias of {}", l.part), "none", "one");
        n_zeros += theirs && !l.spec->bias;
      }
    }
    if (reason_.empty()) ++agreed;
  }
  void differs(std::string_view what, std::string_view theirs, std::string_view ours) {
    if (reason_.empty()) reason_ = format("has {} {}, and this model {}", what, theirs, ours);
  }

  const FamilyRow& row_;
  const ModelSpec& spec_;
  std::string reason_;
};

bool is_structured(const ModelSpec& spec) {
  const Plan plan = make_plan(spec);
  for (const BlockSpec* b : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*b)) {
      if (form_of(*l.spec) != LinearForm::kDense) return true;
    }
  }
  return false;
}

}  // namespace

// Whether files of the family have a bias at that linear of a block.
bool file_has_bias(const FamilyRow& row, const BlockSpec& b, const BlockLinear& linear) {
  switch (row.biases) {
    case Biases::kAll:
      return true;
    case Biases::kQkv:
      return linear.spec == &b.qkv;
    case Biases::kNone:
      return false;
    case Biases::kByConfig:
      return linear.role == Role::kAttention ? b.qkv.bias || b.out.bias : b.up.bias || b.down.bias;
  }
  return false;
}

const FamilyRow* find_family(const ModelSpec& spec, std::string& why) {
  if (spec.topology.kind != TopologyKind::kGpt) {
    why = format(
        "its topology is {}{}", name_of(spec.topology.kind),
        spec.topology.kind == TopologyKind::kPgpt ? "; --path best keeps one path, a gpt" : "");
    return nullptr;
  }
  if (is_structured(spec)) {
    why = "its linears are structured; --merge makes them the dense matrices that they stand for";
    return nullptr;
  }
  const FamilyRow* fitting = nullptr;
  int most = -1, fewest = std::numeric_limits<int>::max();
  for (const FamilyRow& row : families()) {
    Comparison comparison(row, spec);
    const std::string found = comparison.run();
    if (found.empty() && comparison.n_zeros < fewest) {
      fewest = comparison.n_zeros;
      fitting = &row;
    }
    if (found.empty() || comparison.agreed <= most) continue;
    most = comparison.agreed;
    why = format("{}, which comes closest, {}", name_of(row.family), found);
  }
  return fitting;
}

const FamilyRow& choose_family(const ModelSpec& spec, const std::string& where) {
  std::string why;
  if (const FamilyRow* row = find_family(spec, why)) return *row;
  fail("[export] {}: no architecture of other programs is this model: {}", where, why);
}

std::span<const FamilyRow> families() { return kFamilies; }
const FamilyRow& family_row(Family family) { return kFamilies[static_cast<size_t>(family)]; }

}  // namespace lathe
