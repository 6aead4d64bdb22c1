#include "infer/engine_scorer.h"

#include <algorithm>

#include "base/error.h"

namespace lathe::infer {

namespace {

// Tokens in one pass: their logits (256 · vocab_size) still fit a few tens of megabytes.
constexpr i64 kScoreTokens = 256;

}  // namespace

Score EngineScorer::score_one(const Request& request, bool want_greedy) {
  const i64 vocab = model_.plan.spec.vocab_size;
  check_request(request, context_length(), vocab);
  std::vector<int32_t> tokens = request.context;
  tokens.insert(tokens.end(), request.continuation.begin(), request.continuation.end());
  const i64 first = static_cast<i64>(request.context.size());  // token that is scored first
  const i64 inputs = static_cast<i64>(tokens.size()) - 1;
  cache_.truncate(0);
  std::vector<double> log_probs(request.continuation.size());
  std::vector<char> greedy(log_probs.size(), want_greedy);
  for (i64 at = 0; at < inputs;) {
    // Inputs before first − 1 predict nothing that is scored.
    const bool needed = at >= first - 1;
    const i64 n = std::min(kScoreTokens, (needed ? inputs : first - 1) - at);
    const auto logits =
        forward(model_, state_, cache_,
                std::span(tokens).subspan(static_cast<size_t>(at), static_cast<size_t>(n)),
                needed ? LogitRows::kAll : LogitRows::kLast, path_);
    if (needed) {
      state_.for_rows(n, [&](i64 t) {
        const float* row = logits.data() + t * vocab;
        const float own = row[tokens[static_cast<size_t>(at + t + 1)]];
        const size_t slot = static_cast<size_t>(at + t + 1 - first);
        log_probs[slot] = static_cast<double>(own) - state_.k.log_sum_exp(row, vocab);
        if (want_greedy) greedy[slot] = own >= *std::max_element(row, row + vocab);
      });
    }
    at += n;
  }
  Score score;
  for (const double x : log_probs) score.log_likelihood += x;
  score.greedy = std::find(greedy.begin(), greedy.end(), 0) == greedy.end();
  return score;
}

std::vector<Score> EngineScorer::score(std::span<const Request> requests, bool greedy) {
  std::vector<Score> scores;
  for (const Request& request : requests) scores.push_back(score_one(request, greedy));
  return scores;
}

}  // namespace lathe::infer
