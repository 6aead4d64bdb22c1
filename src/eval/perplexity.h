// The mean surprise at a text, for any engine: what validation and `lathe eval` print.
#pragma once

#include <functional>
#include <span>

#include "eval/scorer.h"
#include "eval/windows.h"

namespace lathe {

// A text and what is scored of it.
struct ScoredText {
  ReadTokens read;
  ScoredPart part;
};

struct Perplexity {
  double nll_per_token = 0;  // mean −ln p; NaN where nothing was scored
  double ppl = 0;
  double bits_per_byte = 0;  // of the text that the scored tokens spell; NaN where that is none
  i64 n_tokens = 0;
  i64 n_windows = 0;
};

// After each batch of windows; false ends the work early, and the result means nothing then.
using OnWindows = std::function<bool(i64 done, i64 all, double nll_per_token)>;

// Over the windows of all texts, `batch` of them given to the scorer at a time.
Perplexity perplexity(Scorer& scorer, std::span<const ScoredText> texts, i64 batch,
                      const OnWindows& on_windows);

}  // namespace lathe
