#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

// The window as a request: what is scored is the continuation.
Request to_request(const ScoredText& text, const Window& window, std::vector<i64>& ids) {
  read_window(text.part, window, text.read, ids);
  const auto cut = ids.begin() + static_cast<std::ptrdiff_t>(window.input + 1 - window.scored);
  return {{ids.begin(), cut}, {cut, ids.end()}};
}

}  // namespace

Perplexity perplexity(Scorer& scorer, std::span<const ScoredText> texts, i64 batch,
                      const OnWindows& on_windows) {
  Perplexity result;
  double nll = 0;
  i64 n_bytes = 0, all = 0;
  for (const ScoredText& text : texts) all += static_cast<i64>(text.part.windows.size());
  std::vector<i64> ids;
  std::vector<Request> requests;
  for (const ScoredText& text : texts) {
    const std::vector<Window>& windows = text.part.windows;
    for (size_t at = 0; at < windows.size();) {
      requests.clear();
      while (at < windows.size() && static_cast<i64>(requests.size()) < batch) {
        result.n_tokens += windows[at].scored;
        requests.push_back(to_request(text, windows[at++], ids));
      }
      for (const Score& score : scorer.score(requests, /*greedy=*/false)) {
        nll -= score.log_likelihood;
      }
      result.n_windows += static_cast<i64>(requests.size());
      result.nll_per_token = nll / static_cast<double>(result.n_tokens);
      if (!on_windows(result.n_windows, all, result.nll_per_token)) return result;
    }
    n_bytes += text.part.n_bytes;
  }
  if (result.n_tokens == 0) result.nll_per_token = std::nan("");
  result.ppl = std::exp(result.nll_per_token);
  result.bits_per_byte = bits_per_byte(nll, n_bytes);
  return result;
}

}  // namespace lathe
