// A model as an ordered list of stages with every shape resolved. Tensor names, initialisation,
// counts, LibTorch modules, the native runtime, import, export and `describe` all walk the plan;
// none of them knows a topology's name.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/model_spec.h"
#include "model/rotary.h"

namespace lathe {

// What a tensor counts as in `describe`: matrices by use; biases, norms, gates and projections
// between stages are other.
enum class Role { kFfn, kAttention, kEmbedding, kHead, kOther };

struct NormSpec {
  NormKind kind;
  i64 width;
  double eps;
  bool bias;
};

// x += attention(norm_1 x); x += ffn(norm_2 x). With `parallel` both read the same x, and what they
// give is added together.
struct BlockSpec {
  std::string name;  // "blocks.3": prefix of its tensors
  i64 layer;         // 0 … n_layers-1 over the whole model; also its slot in the KV cache
  i64 d_model, n_heads, n_kv_heads, d_head, d_ff;
  NormSpec norm_1, norm_2;
  LinearSpec qkv;  // rows [q: n_heads·d_head | k: n_kv_heads·d_head | v: n_kv_heads·d_head]
  LinearSpec out;  // attention's output
  LinearSpec up;   // d_model → d_ff; to 2 d_ff for a gated activation, rows [gate | value]
  LinearSpec down;
  Activation activation;
  std::optional<RopeSpec> rope;     // rotates q and k
  std::optional<NormSpec> qk_norm;  // of each head of q, and of k, before it rotates
  bool parallel;
};

// One of the four linears of a block.
struct BlockLinear {
  std::string_view part;  // "attention.qkv"
  std::string name;       // "blocks.3.attention.qkv": prefix of its tensors
  const LinearSpec* spec;
  Role role;
  bool to_residual;  // what it gives is added to the residual stream
};
// qkv, out, up, down: the order of their tensors. Borrows from the block.
std::array<BlockLinear, 4> block_linears(const BlockSpec& block);

// Token embedding (vocab, width), plus learned positions (context, width) where `learned`.
struct EmbedStage {
  i64 vocab_size, context_length, width;
  bool learned_positions;
};
struct BlocksStage {
  std::vector<BlockSpec> blocks;
};
// y_t = b + Σ_k W[:, :, k] x_{t-(kernel_size-1)+k}: a linear map where kernel_size is 1, else a
// causal convolution (zeros before the first position).
struct ProjectStage {
  std::string name;  // "projections.0"
  i64 in, out, kernel_size;
};
struct PathSpec {
  std::string name;  // "paths.0"
  LinearSpec entry;  // "paths.0.entry"
  std::vector<BlockSpec> blocks;
};
// Each path sees the same input; y = Σ_i α_i path_i(x), α = softmax([gate, 0]): gate has one number
// less than there are paths, since a common shift changes nothing. One path may be run alone.
struct ForkStage {
  std::vector<PathSpec> paths;
};
struct NormStage {
  NormSpec norm;
};
// Logits = W h; W is the token embedding where tied.
struct HeadStage {
  i64 in, vocab_size;
  bool tied;
};

using Stage = std::variant<EmbedStage, BlocksStage, ProjectStage, ForkStage, NormStage, HeadStage>;

// An overload set from lambdas, for std::visit over stages.
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang before version 17 does not find it by itself

// The blocks of a stage, in layer order.
inline std::vector<const BlockSpec*> blocks_of(const Stage& stage) {
  std::vector<const BlockSpec*> list;
  const auto add = [&](const std::vector<BlockSpec>& blocks) {
    for (const BlockSpec& b : blocks) list.push_back(&b);
  };
  std::visit(Overloaded{
                 [&](const BlocksStage& s) { add(s.blocks); },
                 [&](const ForkStage& s) {
                   for (const PathSpec& path : s.paths) add(path.blocks);
                 },
                 [](const EmbedStage&) {},
                 [](const ProjectStage&) {},
                 [](const NormStage&) {},
                 [](const HeadStage&) {},
             },
             stage);
  return list;
}

struct Plan {
  ModelSpec spec;
  std::vector<Stage> stages;
};

// Pure. Error where the spec's numbers do not fit together.
Plan make_plan(const ModelSpec& spec);

// Every block of the plan, in layer order.
std::vector<const BlockSpec*> all_blocks(const Plan& plan);

// Helpers for model/topologies/*.cpp.
NormSpec make_norm(const ModelSpec& spec, i64 width);
// The block `layer` (named prefix + "blocks.LAYER") at `width`; heads keep their number, and
// d_head, d_ff and ranks scale by width / d_model, which must come out whole.
BlockSpec make_block(const ModelSpec& spec, i64 layer, i64 width, const std::string& prefix);
}  // namespace lathe
