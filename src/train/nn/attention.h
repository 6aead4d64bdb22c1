// Causal self-attention with grouped key and value heads, and rotary positions.
#pragma once

#include "model/plan.h"
#include "train/torch.h"

namespace lathe::train {

// cos and sin of position · frequency (model/rotary.h), each (T, E/2) f32.
struct RopeTables {
  at::Tensor cos, sin;
};
RopeTables make_rope_tables(i64 n_positions, const RopeSpec& rope, at::Device device);

// qkv (B·T, (H + 2K)·E), the rows of BlockSpec::qkv, in the compute dtype → (B·T, H·E). Softmax in
// f32, scaled by E^-½; query head h reads key head h / (H / K). `rope` is null for none.
at::Tensor causal_attention(const at::Tensor& qkv, i64 n_sequences, const BlockSpec& block,
                            const RopeTables* rope);

}  // namespace lathe::train
