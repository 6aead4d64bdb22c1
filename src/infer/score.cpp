#include "infer/score.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace lathe::infer {

namespace {

// Tokens in one pass: their logits (256 · vocab_size) still fit a few tens of megabytes.
constexpr i64 kScoreTokens = 256;

}  // namespace

double TokenScores::sum() const {
  double total = 0;
  for (const double x : log_probs) total += x;
  return total;
}

TokenScores score_tokens(const Model& model, State& state, KvCache& cache,
                         std::span<const int32_t> tokens, i64 first, PathChoice path) {
  const i64 inputs = static_cast<i64>(tokens.size()) - 1;
  if (first < 1 || inputs < 1 || first > inputs) {
    fail("[score] {} tokens, the first scored {}: expected a context and a token behind it",
         tokens.size(), first);
  }
  if (inputs > cache.capacity()) {
    fail("[score] {} tokens do not fit the context of {}; shorten the text", inputs,
         cache.capacity());
  }
  const i64 vocab = model.plan.spec.vocab_size;
  for (const int32_t token : tokens) {
    if (token < 0 || token >= vocab) {
      fail("[score] token {} is outside the vocabulary of {}; is the tokenizer another one?", token,
           vocab);
    }
  }
  cache.clear();
  TokenScores scores;
  scores.log_probs.resize(static_cast<size_t>(inputs - first + 1));
  std::vector<char> greedy(scores.log_probs.size(), 1);
  for (i64 at = 0; at < inputs;) {
    // Inputs before first − 1 predict nothing that is scored.
    const bool needed = at >= first - 1;
    const i64 end = needed ? inputs : first - 1;
    const i64 n = std::min(kScoreTokens, end - at);
    const auto logits = forward(model, state, cache,
                                tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(n)),
                                needed ? LogitRows::kAll : LogitRows::kLast, path);
    if (needed) {
      state.for_rows(n, [&](i64 t) {
        const float* row = logits.data() + t * vocab;
        const float own = row[tokens[static_cast<size_t>(at + t + 1)]];
        const size_t slot = static_cast<size_t>(at + t + 1 - first);
        scores.log_probs[slot] = static_cast<double>(own) - state.k.log_sum_exp(row, vocab);
        greedy[slot] = own >= *std::max_element(row, row + vocab);
      });
    }
    at += n;
  }
  scores.greedy = std::find(greedy.begin(), greedy.end(), 0) == greedy.end();
  return scores;
}

Perplexity perplexity(const Model& model, State& state, const ScoredPart& part,
                      const ReadTokens& read, PathChoice path, const OnWindow& on_window) {
  KvCache cache(model);
  Perplexity result;
  double nll = 0;
  std::vector<i64> wide;
  for (const Window& w : part.windows) {
    read_window(part, w, read, wide);
    const std::vector<int32_t> tokens(wide.begin(), wide.end());
    const TokenScores scores =
        score_tokens(model, state, cache, tokens, w.input + 1 - w.scored, path);
    nll -= scores.sum();
    result.n_tokens += w.scored;
    ++result.n_windows;
    on_window(result.n_windows, static_cast<i64>(part.windows.size()),
              nll / static_cast<double>(result.n_tokens));
  }
  result.nll_per_token = nll / static_cast<double>(result.n_tokens);
  result.ppl = std::exp(result.nll_per_token);
  result.bits_per_byte = bits_per_byte(nll, part.n_bytes);
  return result;
}

}  // namespace lathe::infer
