// Parameters, FLOPs and bytes of a plan. FLOPs in the convention of arXiv 2406.16450: matrix
// products only, two per multiply-add, attention over the full T², the head included, training
// three times the forward.
#pragma once

#include "core/plan.h"

namespace lathe {

struct ParamCount {
  i64 total = 0;                                        // every parameter
  i64 ffn = 0, attention = 0, embedding = 0, head = 0;  // matrices; a tied head counts 0
  i64 other = 0;  // biases, norms, gates, projections between stages
};
ParamCount count_params(const Plan& plan);

// Forward FLOPs per token when every sequence has `context` tokens.
double forward_flops_per_token(const Plan& plan, i64 context);

// Weights of the dense matrices that self-guided training puts beside the structured feed-forward
// linears (arXiv 2406.16450 §4).
i64 guide_weights(const Plan& plan);

enum class GuideMode { kOff, kFixedSteps, kFixedFlops };
std::span<const std::string_view> names_of(GuideMode);

struct TrainPlan {
  double tokens = 0;
  i64 batch_tokens = 0;
  GuideMode guide = GuideMode::kOff;
  double guide_share = 0;  // G / steps
  bool stochastic = true;  // the guide runs for half its phase in expectation
};

struct TrainCount {
  i64 steps = 0;         // ⌊tokens / batch_tokens⌋, plus G for fixed_flops
  i64 guided_steps = 0;  // G
  double flops = 0;
};
// 3 · [steps · F + (½ if stochastic) · 2 · guide_weights · batch_tokens · G].
TrainCount count_training(const Plan& plan, const TrainPlan& training);

// The share G / steps at which fixed_flops training spends what the dense twin spends:
// (F_dense − F) / (F + (½) · 2 · guide_weights), all per token.
double matching_guide_share(const Plan& plan, bool stochastic);

// The same model with every linear dense.
ModelSpec dense_twin(ModelSpec spec);

struct ByteCount {
  i64 weights_per_token = 0;  // weights read to decode one token, at 2 bytes
  i64 kv_per_token = 0;       // KV cache a position, at 2 bytes
};
ByteCount count_bytes(const Plan& plan);

}  // namespace lathe
