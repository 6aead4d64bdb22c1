// Causal attention of new tokens to a sequence's cache.
#pragma once

#include "infer/forward.h"

namespace lathe::infer {

// For each run: norms and rotates q and k of `qkv` (n, q + 2 kv) in place where the block says so,
// puts k and v into the run's cache behind its present tokens, and attends; q head i uses kv head
// i / (n_heads / n_kv_heads), scale d_head^−½. → `out` (n, n_heads · d_head). Does not advance the
// caches. The rows of the runs follow one another; state.positions holds their positions.
void attend(const Block& block, State& state, std::span<const Run> runs, float* qkv, float* out);

}  // namespace lathe::infer
