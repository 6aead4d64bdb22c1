// Picks the next token from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fields.h"
#include "base/rng.h"

namespace lathe::infer {

struct SamplerOptions {
  double temperature = 0.8;   // 0: the most likely token
  i64 top_k = 0;              // 0: off
  double top_p = 1;           // 1: off
  double min_p = 0;           // 0: off
  double repeat_penalty = 1;  // 1: off
  i64 repeat_last_n = 64;     // tokens it looks back over
  i64 seed = 0;
  void visit_fields(FieldVisitor& v);
  // Error that names the option unless each is in its range.
  void validate() const;
};

struct Candidate {
  int32_t token;
  double probability;
};

// What is left to draw from, in an order that depends on the arguments alone; probabilities sum
// to 1. Steps: logits of the tokens in `recent` divided by the repeat penalty (multiplied where
// negative); temperature; top_k; top_p, the fewest tokens that reach that share; min_p, those at
// least min_p times as likely as the first. Of equal logits the lower id counts as more likely.
// Tokens from n_vocab on are never candidates: a model's vocabulary may be padded. `options` are
// valid.
std::vector<Candidate> candidates(std::span<const float> logits, i64 n_vocab,
                                  std::span<const int32_t> recent, const SamplerOptions& options);

// Draw i of a text is a pure function of the seed, i and its candidates: the same seed gives the
// same text. One text; one thread at a time.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);
  // `text`: the tokens so far, prompt included; only the last repeat_last_n are looked at.
  int32_t next(std::span<const float> logits, i64 n_vocab, std::span<const int32_t> text);

 private:
  SamplerOptions options_;
  Random random_;
  uint64_t draws_ = 0;
};

}  // namespace lathe::infer
