// The phases of a training run and what it costs, guidance included: one arithmetic for `describe`,
// run files, studies and reports. FLOPs as in model/counts.h, training three times the forward.
#pragma once

#include "model/counts.h"

namespace lathe {

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

struct Guide {
  GuideMode mode = GuideMode::kOff;
  double share = 0;  // G / steps; 0: the default
  GuideDraw draw = GuideDraw::kPaper;
  double mean_alpha = 0.5;  // over the guided steps
};

// Forward FLOPs per token that guidance adds in a pass, in the mean over a phase whose mean α is
// given (½ for the schedules from 1 to 0).
double guide_flops_per_token(const Plan& plan, GuideDraw draw, double mean_alpha = 0.5);

// The share G / steps at which fixed_flops training spends what the dense twin spends on `steps`:
// (F_dense − F) / (F + guide_flops_per_token), all per token.
double matching_guide_share(const Plan& plan, GuideDraw draw, double mean_alpha = 0.5);

// The share that the guide asks for: its own, else a half for fixed_steps, what matches the dense
// twin for fixed_flops; 0 where it is off. Error where every linear is dense, or the share is none.
double guided_share(const Plan& plan, const Guide& guide);

// The phases of a run, by update: guided while step < guided; from `steps` on, which only
// fixed_flops goes past, the first batches come again.
struct Phases {
  i64 steps = 0;   // updates on new batches
  i64 guided = 0;  // G = ⌊share · steps⌋
  i64 total = 0;   // steps, plus G for fixed_flops: what the schedules span
  // The batch of an update, as a number in the data order.
  i64 batch_of(i64 step) const { return step < steps ? step : step - steps; }
};
// `guide` with its share settled.
Phases make_phases(i64 steps, const Guide& guide);

// What training costs a step on new batches, the guide and repeated batches included; `guide` with
// its share settled: 3 · batch_tokens · [(1 + share, or 1) · F + share · guide_flops_per_token].
double flops_per_step(const Plan& plan, i64 batch_tokens, const Guide& guide);

// What all phases cost.
double training_flops(const Plan& plan, i64 batch_tokens, const Phases& phases, Guide guide);

struct TrainPlan {
  double tokens = 0;
  i64 batch_tokens = 0;
  Guide guide;
};

struct TrainCount {
  Phases phases;  // of ⌊tokens / batch_tokens⌋ steps
  double flops = 0;
};
// Error as guided_share().
TrainCount count_training(const Plan& plan, const TrainPlan& training);

}  // namespace lathe
