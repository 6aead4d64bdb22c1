#include "model/counts.h"

#include <cmath>

#include "model/tensor_list.h"

namespace lathe {

ParamCount count_params(const Plan& plan) {
  ParamCount count;
  for (const TensorInfo& t : tensor_list(plan)) {
    const i64 n = t.numel();
    count.total += n;
    switch (t.role) {
      case Role::kFfn:
        (t.matrix ? count.ffn : count.other) += n;
        break;
      case Role::kAttention:
        (t.matrix ? count.attention : count.other) += n;
        break;
      case Role::kEmbedding:
        count.embedding += n;
        break;
      case Role::kHead:
        count.head += n;
        break;
      case Role::kOther:
        count.other += n;
        break;
    }
  }
  return count;
}

double forward_flops_per_token(const Plan& plan, i64 context) {
  double macs = 0;
  bool tied = false;
  for (const Stage& stage : plan.stages) {
    if (const auto* head = std::get_if<HeadStage>(&stage)) tied = head->tied;
  }
  // Every matrix is multiplied once a token, but for embeddings, which are looked up: the tied one
  // is the head too.
  for (const TensorInfo& t : tensor_list(plan)) {
    const bool multiplied = t.role != Role::kEmbedding || (tied && t.name == kTokenEmbedding);
    if (t.matrix && multiplied) macs += static_cast<double>(t.numel());
  }
  // q·k and p·v over the whole context.
  for (const BlockSpec* b : all_blocks(plan)) {
    macs += 2.0 * static_cast<double>(context * b->n_heads * b->d_head);
  }
  return 2 * macs;
}

i64 guide_weights(const Plan& plan) {
  i64 weights = 0;
  for (const TensorInfo& t : guide_list(plan)) weights += t.numel();
  return weights;
}

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

TrainCount count_training(const Plan& plan, const TrainPlan& training) {
  LATHE_CHECK(training.batch_tokens > 0);
  TrainCount count;
  const double batch = static_cast<double>(training.batch_tokens);
  const i64 steps = static_cast<i64>(training.tokens / batch);
  count.steps = steps;
  if (training.guide != GuideMode::kOff) {
    count.guided_steps = static_cast<i64>(static_cast<double>(steps) * training.guide_share);
    if (training.guide == GuideMode::kFixedFlops) count.steps += count.guided_steps;
  }
  const double forward = forward_flops_per_token(plan, plan.spec.context_length);
  const double guide =
      guide_flops_per_token(plan, training.draw) * static_cast<double>(count.guided_steps);
  count.flops = 3 * batch * (static_cast<double>(count.steps) * forward + guide);
  return count;
}

ModelSpec dense_twin(ModelSpec spec) {
  spec.ffn_linear = spec.attention_linear = {};
  return spec;
}

double matching_guide_share(const Plan& plan, GuideDraw draw, double mean_alpha) {
  const i64 context = plan.spec.context_length;
  const double own = forward_flops_per_token(plan, context);
  const double dense = forward_flops_per_token(make_plan(dense_twin(plan.spec)), context);
  return (dense - own) / (own + guide_flops_per_token(plan, draw, mean_alpha));
}

ByteCount count_bytes(const Plan& plan) {
  ByteCount bytes;
  bool tied = false;
  i64 width = 0;
  for (const Stage& stage : plan.stages) {
    if (const auto* s = std::get_if<EmbedStage>(&stage)) width = s->width;
    if (const auto* s = std::get_if<HeadStage>(&stage)) tied = s->tied;
  }
  for (const TensorInfo& t : tensor_list(plan)) {
    // One row of an embedding, unless it is the head too.
    const bool row_only = t.role == Role::kEmbedding && !(tied && t.name == kTokenEmbedding);
    bytes.weights_per_token += 2 * (row_only ? width : t.numel());
  }
  for (const BlockSpec* b : all_blocks(plan)) {
    bytes.kv_per_token += 2 * 2 * b->n_kv_heads * b->d_head;
  }
  return bytes;
}

}  // namespace lathe
