// Every tensor of a model, from its plan: the only place where names are made, and where it is said
// how each is initialised, what it counts as and whether it decays.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/plan.h"

namespace lathe {

// What a tensor counts as in `describe`: matrices by use; biases, norms, gates and projections
// between stages are other.
enum class Role { kFfn, kAttention, kEmbedding, kHead, kOther };

enum class InitRule {
  kNormal,  // N(0, std²)
  kOnes,
  kZeros,
  kFactors,  // with the linear's other factor: see TensorInfo::linear
};

struct TensorInfo {
  std::string name;
  std::vector<i64> shape;
  Role role = Role::kOther;
  InitRule init = InitRule::kZeros;
  double std = 0;       // kNormal and kFactors: of the dense matrix
  bool matrix = false;  // decays under decay = "matrices": embeddings, linears, convolutions
  std::optional<LinearSpec> linear;  // set on the weights of a linear (not its bias)
  i64 numel() const;
};

// In a fixed order: the plan's.
std::vector<TensorInfo> tensor_list(const Plan& plan);

// The dense matrices that self-guided training puts beside the structured linears of the blocks, in
// the plan's order: "blocks.1.ffn.up.guide" (out, in), `linear` being the structured one beside it.
std::vector<TensorInfo> guide_list(const Plan& plan);

// part + "." + leaf: tensor_name("blocks.0.ffn.up", "u").
std::string tensor_name(const std::string& part, std::string_view leaf);

// Names outside the blocks.
inline constexpr const char* kTokenEmbedding = "embedding.tokens.weight";
inline constexpr const char* kPositionEmbedding = "embedding.positions.weight";
inline constexpr const char* kGate = "gate";
inline constexpr const char* kFinalNorm = "norm";
inline constexpr const char* kHead = "head.weight";
// Parts of a block, after its name and a dot.
inline constexpr const char* kNorm1 = "norm_1";
inline constexpr const char* kQkv = "attention.qkv";
inline constexpr const char* kAttentionOut = "attention.out";
inline constexpr const char* kNorm2 = "norm_2";
inline constexpr const char* kUp = "ffn.up";
inline constexpr const char* kDown = "ffn.down";
// A guide's leaf after the name of its linear.
inline constexpr const char* kGuide = "guide";

}  // namespace lathe
