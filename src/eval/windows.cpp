#include "eval/windows.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace lathe {

std::vector<Window> rolling_windows(i64 n, i64 context, bool has_prefix) {
  LATHE_CHECK(context >= 1);
  std::vector<Window> windows;
  i64 done = 0;  // tokens that need no more scoring
  if (has_prefix && n > 0) {
    const i64 scored = std::min(n, context);
    windows.push_back({-1, scored, scored});
    done = scored;
  } else {
    done = std::min<i64>(n, 1);
  }
  while (done < n) {
    const i64 scored = std::min(context, n - done);
    const i64 last_input = done + scored - 1;  // one behind the last token that is fed
    const i64 begin = std::max<i64>(has_prefix ? -1 : 0, last_input - context);
    windows.push_back({begin, last_input - begin, scored});
    done += scored;
  }
  return windows;
}

TokenBytes::TokenBytes(const Tokenizer& tokenizer) {
  const auto n = static_cast<size_t>(tokenizer.vocab_size());
  bytes_.reserve(n);
  own_space_.assign(n, 0);
  for (size_t i = 0; i < n; ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string text = tokenizer.token_bytes(id);
    bytes_.push_back(static_cast<int32_t>(text.size()));
    if (text.starts_with(' ')) {
      own_space_[i] = tokenizer.decode(std::span(&id, 1)).size() + 1 == text.size();
    }
  }
}

size_t TokenBytes::index(i64 id) const {
  if (id < 0 || id >= static_cast<i64>(bytes_.size())) {
    fail("[perplexity] token {} is outside the tokenizer's {}; prepared with another tokenizer?",
         id, bytes_.size());
  }
  return static_cast<size_t>(id);
}

ScoredPart lay_out(i64 n, const ReadTokens& read, std::optional<int32_t> start,
                   const TokenBytes& bytes, i64 context, i64 max_windows) {
  ScoredPart part;
  i64 before = -1;  // the token before the one that is counted
  if (n > 0) read(0, std::span(&before, 1));
  if (start && before != *start) part.prefix = start;
  part.windows = rolling_windows(n, context, part.prefix.has_value());
  if (part.windows.empty()) {
    fail("[perplexity] a text of {} tokens, expected at least {}", n, part.prefix ? 1 : 2);
  }
  if (max_windows > 0 && max_windows < static_cast<i64>(part.windows.size())) {
    part.windows.resize(static_cast<size_t>(max_windows));
  }
  for (const Window& w : part.windows) part.n_tokens += w.scored;

  // The windows score a row of tokens without gaps, from the first or second on.
  const i64 first = part.prefix ? 0 : 1;
  if (first == 0) before = -1;  // inside a document, whose start nobody sees
  constexpr i64 kBlock = 65536;
  std::vector<i64> ids;
  for (i64 done = 0; done < part.n_tokens; done += static_cast<i64>(ids.size())) {
    ids.resize(static_cast<size_t>(std::min(kBlock, part.n_tokens - done)));
    read(first + done, ids);
    for (const i64 id : ids) {
      part.n_bytes += before == start ? bytes.of_first(id) : bytes.of(id);
      before = id;
    }
  }
  return part;
}

void read_window(const ScoredPart& part, const Window& window, const ReadTokens& read,
                 std::vector<i64>& tokens) {
  tokens.assign(static_cast<size_t>(window.input + 1), 0);
  std::span<i64> into(tokens);
  if (window.begin < 0) {
    LATHE_CHECK(part.prefix.has_value());
    tokens[0] = *part.prefix;
    into = into.subspan(1);
  }
  read(std::max<i64>(window.begin, 0), into);
}

double bits_per_byte(double nats, i64 n_bytes) {
  return n_bytes > 0 ? nats / std::numbers::ln2 / static_cast<double>(n_bytes) : std::nan("");
}

}  // namespace lathe
