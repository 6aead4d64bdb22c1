// The families of models that other programs know, as one table: what a model of each looks like,
// and how its tensors are called and laid out in Hugging Face's files and in GGUF. Import and
// export both walk it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "model/plan.h"

namespace lathe {

enum class Family { kGpt2, kLlama, kQwen2, kQwen3, kStarcoder2, kGptNeox };
// Hugging Face's "model_type".
constexpr auto names_of(Family) {
  return enum_names<Family>("gpt2", "llama", "qwen2", "qwen3", "starcoder2", "gpt_neox");
}

// Which part of one of our tensors theirs is. Ours have rows [q | k | v] and [gate | value].
enum class Piece { kWhole, kQ, kK, kV, kGateRows, kValueRows, kHeadwiseQkv };

// A module of theirs, and the part of ours that it holds: "{}" is the block's number, and `ours` is
// then within the block. Weights and biases go by the same name.
struct ModuleName {
  std::string_view ours, theirs;
  Piece piece = Piece::kWhole;
};

// Which linears have biases in files of the family.
enum class Biases {
  kAll,  // every one; zeros where the model has none
  kQkv,  // q, k and v
  kNone,
  kByConfig,  // attention's and the feed-forward's, by what the model has
};

struct FamilyRow {
  Family family;
  std::string_view hf_class;  // "LlamaForCausalLM"
  std::string_view gguf_architecture;
  NormKind norm;
  bool norm_bias;  // in the files; zeros where the model has none
  std::span<const Activation> activations;
  Position position;
  Biases biases;
  bool qk_norm;          // always, or never
  bool grouped;          // fewer key heads than query heads
  bool free_head_width;  // n_heads · d_head need not be d_model
  bool partial_rope;     // as GPT-NeoX has it: the first part of a head
  bool parallel;         // may have parallel residuals
  bool scaled_rope;
  bool hf_transposed;     // linears are (in, out) in Hugging Face's files
  bool gguf_interleaved;  // pairs of rotation are neighbours in GGUF
  std::span<const ModuleName> hf_modules, gguf_modules;
};
const FamilyRow& family_row(Family family);
std::span<const FamilyRow> families();

// Whether files of the family have a bias at that linear of a block.
bool file_has_bias(const FamilyRow& row, const BlockSpec& block, const BlockLinear& linear);

// The family that can express the spec with the fewest zeros put in; null where there is none, and
// `why` says so for the one that comes closest.
const FamilyRow* find_family(const ModelSpec& spec, std::string& why);
// The same. Error that names `where` in place of null.
const FamilyRow& choose_family(const ModelSpec& spec, const std::string& where);

}  // namespace lathe
