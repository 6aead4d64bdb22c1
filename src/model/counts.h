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

// Weights of the dense matrices that self-guided training adds (model/tensor_list.h's guide_list).
i64 guide_weights(const Plan& plan);

// The same model with every linear dense.
ModelSpec dense_twin(ModelSpec spec);

struct ByteCount {
  i64 weights_per_token = 0;  // weights read to decode one token, at 2 bytes
  i64 kv_per_token = 0;       // KV cache a position, at 2 bytes
};
ByteCount count_bytes(const Plan& plan);

}  // namespace lathe
