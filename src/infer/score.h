// Log-likelihoods of token sequences, and perplexity.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "eval/windows.h"
#include "infer/forward.h"

namespace lathe::infer {

struct TokenScores {
  std::vector<double> log_probs;  // natural logarithm, one for every scored token
  bool greedy = true;             // each scored token was the most likely one
  double sum() const;
};

// ln p(tokens[i] | tokens before it) for i ≥ first, first ≥ 1; `tokens` fits the context with its
// last one not fed. Starts from an empty cache, which it clears.
TokenScores score_tokens(const Model& model, State& state, KvCache& cache,
                         std::span<const int32_t> tokens, i64 first,
                         PathChoice path = PathChoice::kAll);

struct Perplexity {
  double nll_per_token = 0;  // mean −ln p
  double ppl = 0;
  double bits_per_byte = 0;  // of the text that the scored tokens spell; NaN where that is none
  i64 n_tokens = 0;
  i64 n_windows = 0;
};

// After each window; for progress.
using OnWindow = std::function<void(i64 done, i64 all, double nll_per_token)>;

// Perplexity of what lay_out() chose of the text that `read` reads.
Perplexity perplexity(const Model& model, State& state, const ScoredPart& part,
                      const ReadTokens& read, PathChoice path, const OnWindow& on_window);

}  // namespace lathe::infer
