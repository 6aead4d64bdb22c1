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

ModelSpec dense_twin(ModelSpec spec) {
  spec.ffn_linear = spec.attention_linear = {};
  spec.linears.clear();
  return spec;
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
