// Every tensor of a model, from its plan: the only place where names are made, and where it is said
// how each is initialised, what it counts as and whether it decays.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/plan.h"

namespace lathe {

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
  // Set on the weights of a linear (not its bias): what it is, and its name, "blocks.0.ffn.up".
  std::optional<LinearSpec> linear;
  std::string part;
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
// Norms of a block, after its name and a dot; its linears are block_linears (model/plan.h).
inline constexpr const char* kNorm1 = "norm_1";
inline constexpr const char* kNorm2 = "norm_2";
inline constexpr const char* kQNorm = "attention.q_norm";
inline constexpr const char* kKNorm = "attention.k_norm";
// A guide's leaf after the name of its linear.
inline constexpr const char* kGuide = "guide";

}  // namespace lathe
