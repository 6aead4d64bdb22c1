// Validation loss and sample text during training.
#pragma once

#include <memory>

#include "core/shards.h"
#include "core/tokenizer.h"
#include "train/model.h"

namespace lathe::train {

struct Validation {
  double loss = 0;           // nats a token
  double bits_per_byte = 0;  // of the source text; NaN where its length is not known
  i64 tokens = 0;
};

// A validation split and the bytes of source text a token of it stands for (0: not known).
struct ValidationSplit {
  std::shared_ptr<const TokenStream> tokens;
  double bytes_per_token = 0;
};

// Mean loss over the first windows of each split, of context_length tokens each, together at most
// about max_tokens (at least one window a split). Deterministic. Ends early, with nothing that
// means anything, once stop() holds.
Validation validate_model(const Model& model, const Plan& plan,
                          const std::vector<ValidationSplit>& splits, i64 max_tokens,
                          i64 micro_batch, at::Device device, bool (*stop)() = nullptr);

// `prompt` continued by n tokens at temperature 0.8 (the whole context again for each: short texts
// only, and fewer than n once stop() holds). Pure in its arguments.
std::string sample_text(const Model& model, const Plan& plan, const Tokenizer& tokenizer,
                        const std::string& prompt, i64 n, uint64_t seed, at::Device device,
                        bool (*stop)() = nullptr);

}  // namespace lathe::train
