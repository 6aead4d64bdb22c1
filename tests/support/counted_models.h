// Models whose counts are known: the presets, and one small enough to count by hand.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/counts.h"
#include "model/presets.h"

namespace lathe::test {

inline Plan preset_plan(const std::string& name) {
  return make_plan(parse_model_spec(preset_spec(name), name));
}

inline double flops(const Plan& plan) {
  return forward_flops_per_token(plan, plan.spec.context_length);
}

// A model small enough to count by hand.
inline ModelSpec by_hand() {
  ModelSpec s;
  s.vocab_size = 10;
  s.context_length = 8;
  s.d_model = 4;
  s.n_layers = 2;
  s.n_heads = 2;
  s.n_kv_heads = 1;
  s.d_head = 2;
  s.d_ff = 6;
  s.ffn_linear = {LinearKind::kLowRank, 3, 0};
  return s;
}

}  // namespace lathe::test
