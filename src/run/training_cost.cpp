#include "run/training_cost.h"

#include "base/error.h"
#include "model/tensor_list.h"

namespace lathe {

double guide_flops_per_token(const Plan& plan, GuideDraw draw, double mean_alpha) {
  double dense = 0, structured = 0;
  for (const TensorInfo& t : guide_list(plan)) {
    dense += 2 * static_cast<double>(t.numel());
    structured += 2 * static_cast<double>(linear_macs(*t.linear));
  }
  switch (draw) {
    case GuideDraw::kAlways:
      return dense;
    case GuideDraw::kPaper:
      return mean_alpha * dense;
    case GuideDraw::kUnbiased:
      return mean_alpha * (dense - structured);
  }
  return dense;
}

double matching_guide_share(const Plan& plan, GuideDraw draw, double mean_alpha) {
  const i64 context = plan.spec.context_length;
  const double own = forward_flops_per_token(plan, context);
  const double dense = forward_flops_per_token(make_plan(dense_twin(plan.spec)), context);
  return (dense - own) / (own + guide_flops_per_token(plan, draw, mean_alpha));
}

double guided_share(const Plan& plan, const Guide& guide) {
  if (guide.mode == GuideMode::kOff) return 0;
  if (guide_weights(plan) == 0) {
    fail(
        "[self_guided] every linear of the model is dense, so there is nothing to guide; set "
        "ffn_linear.kind, or do without self-guided training");
  }
  const double share = guide.share > 0 ? guide.share
                       : guide.mode == GuideMode::kFixedSteps
                           ? 0.5
                           : matching_guide_share(plan, guide.draw, guide.mean_alpha);
  if (share > 0 && share <= 1) return share;
  fail(
      "[self_guided] as much as the dense model costs is reached with {:.3g} guided steps a step, "
      "expected 0 … 1: no more than there are; give a share, 0.5 say",
      share);
}

Phases make_phases(i64 steps, const Guide& guide) {
  Phases phases{.steps = steps, .guided = 0, .total = steps};
  if (guide.mode == GuideMode::kOff) return phases;
  phases.guided = static_cast<i64>(static_cast<double>(steps) * guide.share);
  if (guide.mode == GuideMode::kFixedFlops) phases.total += phases.guided;
  return phases;
}

double flops_per_step(const Plan& plan, i64 batch_tokens, const Guide& guide) {
  const double own = forward_flops_per_token(plan, plan.spec.context_length);
  const double longer = guide.mode == GuideMode::kFixedFlops ? 1 + guide.share : 1;
  const double beside = guide.share * guide_flops_per_token(plan, guide.draw, guide.mean_alpha);
  return 3 * static_cast<double>(batch_tokens) * (longer * own + beside);
}

double training_flops(const Plan& plan, i64 batch_tokens, const Phases& phases, Guide guide) {
  if (phases.steps == 0) return 0;
  const auto steps = static_cast<double>(phases.steps);
  guide.share = static_cast<double>(phases.guided) / steps;  // as rounded to whole steps
  return steps * flops_per_step(plan, batch_tokens, guide);
}

TrainCount count_training(const Plan& plan, const TrainPlan& training) {
  LATHE_CHECK(training.batch_tokens > 0);
  Guide guide = training.guide;
  guide.share = guided_share(plan, guide);
  const auto steps = static_cast<i64>(training.tokens / static_cast<double>(training.batch_tokens));
  const Phases phases = make_phases(steps, guide);
  return {phases, training_flops(plan, training.batch_tokens, phases, guide)};
}

}  // namespace lathe
