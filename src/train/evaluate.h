// Validation loss and sample text during training.
#pragma once

#include <memory>

#include "base/integer.h"
#include "data/shards.h"
#include "eval/windows.h"
#include "text/tokenizer.h"
#include "train/nn/model.h"

namespace lathe::train {

struct Validation {
  double loss = 0;           // nats a token
  double bits_per_byte = 0;  // of the text that the scored tokens spell; NaN where that is none
  i64 tokens = 0;            // scored
};

// A validation split and what is scored of it.
struct ValidationSplit {
  std::shared_ptr<const TokenStream> tokens;
  ScoredPart part;

  ReadTokens read() const {
    return [tokens = tokens](i64 offset, std::span<i64> out) { tokens->copy(offset, out); };
  }
};

// Mean loss over the windows of all splits: what `lathe eval` gives for the same windows, but for
// the rounding. Deterministic. Ends early, with nothing that means anything, once stop() holds.
Validation validate_model(const Model& model, const Plan& plan,
                          const std::vector<ValidationSplit>& splits, i64 micro_batch,
                          at::Device device, bool (*stop)() = nullptr);

// `prompt` continued by n tokens at temperature 0.8 (the whole context again for each: short texts
// only, and fewer than n once stop() holds). Pure in its arguments.
std::string sample_text(const Model& model, const Plan& plan, const Tokenizer& tokenizer,
                        const std::string& prompt, i64 n, uint64_t seed, at::Device device,
                        bool (*stop)() = nullptr);

}  // namespace lathe::train
