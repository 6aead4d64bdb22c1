// Log-likelihoods of token sequences, and perplexity.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "infer/forward.h"

namespace lathe {

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
  double bits_per_byte = 0;  // 0 where the bytes are unknown
  i64 n_tokens = 0;
  i64 n_windows = 0;
};

// One piece of a text: `input` tokens from `begin` on are fed, and of what follows each, the last
// `scored` are scored; −1 as begin stands for the prefix token in front of token 0.
struct Window {
  i64 begin = 0, input = 0, scored = 0;
};
// Windows of at most `context` inputs that score every token of a text of n tokens once: the first
// one behind the prefix token, each next one with one token of what went before, the last with as
// many as the context takes (EleutherAI's rolling log-likelihood). Without a prefix token the first
// token is not scored.
std::vector<Window> rolling_windows(i64 n, i64 context, bool has_prefix);

// Tokens [offset, offset + out.size()) of a text.
using ReadTokens = std::function<void(i64 offset, std::span<int64_t> out)>;
// After each window; for progress.
using OnWindow = std::function<void(i64 done, i64 all, double nll_per_token)>;

// Perplexity of a text of n tokens, at most `limit` windows of it (0: all). `n_bytes` are those of
// the whole text (0: unknown); with a limit the bytes of what was scored are taken in proportion.
Perplexity perplexity(const Model& model, State& state, i64 n, const ReadTokens& read,
                      std::optional<int32_t> prefix, i64 n_bytes, i64 limit, PathChoice path,
                      const OnWindow& on_window);

}  // namespace lathe
