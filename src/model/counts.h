// Parameters, FLOPs and bytes of a plan. FLOPs in the convention of arXiv 2406.16450: matrix
// products only, two per multiply-add, attention over the full T², the head included, training
// three times the forward.
#pragma once

#include "model/plan.h"

namespace lathe {

struct ParamCount {
  i64 total = 0;                                        // every parameter
  i64 ffn = 0, attention = 0, embedding = 0, head = 0;  // matrices; a tied head counts 0
  i64 other = 0;  // biases, norms, gates, projections between stages
};
ParamCount count_params(const Plan& plan);

// Forward FLOPs per token when every sequence has `context` tokens.
double forward_flops_per_token(const Plan& plan, i64 context);

// Self-guided training (arXiv 2406.16450 §4): beside every structured linear of a block stands a
// dense matrix, and the output is o = α·Wx + (1 − α)·f(x) while α falls from 1 to 0.
enum class GuideMode { kOff, kFixedSteps, kFixedFlops };
constexpr auto names_of(GuideMode) {
  return enum_names<GuideMode>("off", "fixed_steps", "fixed_flops");
}

// When the dense path is computed: in every pass; with probability α, its output mixed as always
// and the structured one alone otherwise (the paper's way to halve the cost); or with probability α
// instead of the structured one, so that the expected output is the mixture.
enum class GuideDraw { kAlways, kPaper, kUnbiased };
constexpr auto names_of(GuideDraw) { return enum_names<GuideDraw>("always", "paper", "unbiased"); }

// Weights of those dense matrices.
i64 guide_weights(const Plan& plan);

// Forward FLOPs per token that guidance adds in a pass, in the mean over a phase whose mean α is
// given (½ for the schedules from 1 to 0).
double guide_flops_per_token(const Plan& plan, GuideDraw draw, double mean_alpha = 0.5);

struct TrainPlan {
  double tokens = 0;
  i64 batch_tokens = 0;
  GuideMode guide = GuideMode::kOff;
  double guide_share = 0;  // G / steps
  GuideDraw draw = GuideDraw::kPaper;
};

struct TrainCount {
  i64 steps = 0;         // ⌊tokens / batch_tokens⌋, plus G for fixed_flops
  i64 guided_steps = 0;  // G
  double flops = 0;
};
// 3 · batch_tokens · [steps · F + G · guide_flops_per_token].
TrainCount count_training(const Plan& plan, const TrainPlan& training);

// The share G / steps at which fixed_flops training spends what the dense twin spends on `steps`:
// (F_dense − F) / (F + guide_flops_per_token), all per token.
double matching_guide_share(const Plan& plan, GuideDraw draw, double mean_alpha = 0.5);

// The same model with every linear dense.
ModelSpec dense_twin(ModelSpec spec);

struct ByteCount {
  i64 weights_per_token = 0;  // weights read to decode one token, at 2 bytes
  i64 kv_per_token = 0;       // KV cache a position, at 2 bytes
};
ByteCount count_bytes(const Plan& plan);

}  // namespace lathe
