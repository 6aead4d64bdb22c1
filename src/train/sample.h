// Sample text during training.
#pragma once

#include <functional>

#include "text/tokenizer.h"
#include "train/nn/model.h"

namespace lathe::train {

// `prompt` continued by n tokens at temperature 0.8 (the whole context again for each: short texts
// only, and fewer than n once stop() holds). Pure in its arguments.
std::string sample_text(const Model& model, const Plan& plan, const Tokenizer& tokenizer,
                        const std::string& prompt, i64 n, uint64_t seed, at::Device device,
                        const std::function<bool()>& stop);

}  // namespace lathe::train
