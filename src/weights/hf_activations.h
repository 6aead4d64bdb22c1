// Hugging Face's names of activations; of gated ones, of the gate's function.
#pragma once

#include <string_view>

#include "model/model_spec.h"

namespace lathe {

struct HfActivation {
  std::string_view theirs;
  Activation ours;
};
// The first name of each is the one that is written.
inline constexpr HfActivation kHfActivations[] = {
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu", Activation::kGelu},
    {"silu", Activation::kSwiglu},
    {"swish", Activation::kSwiglu},
};

}  // namespace lathe
