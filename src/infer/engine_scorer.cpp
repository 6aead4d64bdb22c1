#include "infer/engine_scorer.h"

#include <algorithm>

#include "base/error.h"
#include "base/numeric.h"

namespace lathe::infer {

namespace {

// Tokens in one pass: more do not run faster.
constexpr size_t kPassTokens = 512;
// Rows of logits in one pass: 256 · vocab_size still fit a few tens of megabytes.
constexpr size_t kPassLogits = 256;
// Tokens of a run with branches at most; a longer one is several.
constexpr i64 kRunTokens = 1024;
// Computing fewer tokens once instead of twice is not worth an alternative's own attention.
constexpr i64 kLeastShared = 4;

i64 inputs_of(const Request& request) {
  return static_cast<i64>(request.context.size() + request.continuation.size()) - 1;
}

int32_t token_of(const Request& request, i64 i) {
  const auto at = static_cast<size_t>(i), n = request.context.size();
  return at < n ? request.context[at] : request.continuation[at - n];
}

// Inputs from the first on that both have, at most `most`.
i64 count_common(const Request& a, const Request& b, i64 most) {
  most = std::min({most, inputs_of(a), inputs_of(b)});
  i64 n = 0;
  while (n < most && token_of(a, n) == token_of(b, n)) ++n;
  return n;
}

}  // namespace

// Requests [first, end) that share their first `shared` inputs.
struct EngineScorer::Group {
  size_t first = 0, end = 0;
  i64 shared = 0;
};

// As many requests as it saves tokens to take together: m of them with P shared and another one
// with C of those take m · C − (m − 1) · P tokens fewer than apart.
EngineScorer::Group EngineScorer::take_group(std::span<const Request> requests,
                                             size_t first) const {
  Group group{first, first + 1, inputs_of(requests[first])};
  i64 inputs = group.shared;  // of all, each by itself
  for (; group.end < requests.size(); ++group.end) {
    const Request& next = requests[group.end];
    const i64 common = count_common(requests[first], next, group.shared);
    const auto m = static_cast<i64>(group.end - first);
    inputs += inputs_of(next);
    if (m * common - (m - 1) * group.shared < kLeastShared) break;
    if (inputs - m * common > std::max(kRunTokens, context_length())) break;
    group.shared = common;
  }
  return group;
}

std::vector<Score> EngineScorer::score(std::span<const Request> requests, bool want_greedy) {
  for (const Request& request : requests) {
    check_request(request, context_length(), model_.plan.spec.vocab_size);
  }
  // A wanted row and a token that it predicts.
  struct Target {
    i64 row;
    size_t request;
    int32_t token;
  };
  std::vector<Feed> feeds;
  std::vector<std::vector<Target>> targets;  // by feed, ascending by row
  for (size_t first = 0; first < requests.size();) {
    const Group group = take_group(requests, first);
    Feed& feed = feeds.emplace_back();
    auto& wanted = targets.emplace_back();
    for (i64 i = 0; i < group.shared; ++i) feed.tokens.push_back(token_of(requests[first], i));
    for (size_t r = group.first; r < group.end; ++r) {
      const Request& request = requests[r];
      const auto begin = static_cast<i64>(feed.tokens.size());  // of its own inputs
      const i64 inputs = inputs_of(request);
      if (inputs > group.shared && group.end - group.first > 1) feed.branches.push_back(begin);
      for (i64 i = group.shared; i < inputs; ++i) feed.tokens.push_back(token_of(request, i));
      for (i64 i = static_cast<i64>(request.context.size()) - 1; i < inputs; ++i) {
        const i64 row = i < group.shared ? i : begin + i - group.shared;
        wanted.push_back({row, r, token_of(request, i + 1)});
      }
    }
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const Target& a, const Target& b) { return a.row < b.row; });
    for (const Target& target : wanted) {
      if (feed.rows.empty() || feed.rows.back() != target.row) feed.rows.push_back(target.row);
    }
    first = group.end;
  }

  std::vector<std::vector<double>> log_probs(feeds.size());  // by feed and target
  std::vector<std::vector<char>> likeliest(feeds.size());
  for (size_t f = 0; f < feeds.size(); ++f) {
    log_probs[f].resize(targets[f].size());
    likeliest[f].resize(targets[f].size());
  }
  const i64 vocab = model_.plan.spec.vocab_size;
  this->feed(feeds, [&](size_t f, size_t row, const float* logits) {
    const double total = state_.k.log_sum_exp(logits, vocab);
    const float most = want_greedy ? *std::max_element(logits, logits + vocab) : 0.0f;
    const i64 place = feeds[f].rows[row];
    auto at = std::lower_bound(targets[f].begin(), targets[f].end(), place,
                               [](const Target& t, i64 r) { return t.row < r; });
    for (; at != targets[f].end() && at->row == place; ++at) {
      const auto slot = static_cast<size_t>(at - targets[f].begin());
      log_probs[f][slot] = static_cast<double>(logits[at->token]) - total;
      likeliest[f][slot] = logits[at->token] >= most;
    }
  });
  std::vector<Score> scores(requests.size(), Score{0, want_greedy});
  for (size_t f = 0; f < feeds.size(); ++f) {
    for (size_t t = 0; t < targets[f].size(); ++t) {
      Score& score = scores[targets[f][t].request];
      score.log_likelihood += log_probs[f][t];
      score.greedy = score.greedy && likeliest[f][t];
    }
  }
  return scores;
}

std::vector<double> EngineScorer::score_vocabulary(std::span<const std::vector<int32_t>> texts) {
  std::vector<Feed> feeds;
  std::vector<std::vector<double>> sums;
  for (const std::vector<int32_t>& text : texts) {
    Feed& feed = feeds.emplace_back(Feed{text, {}, {}});
    for (size_t i = 0; i < text.size(); ++i) feed.rows.push_back(static_cast<i64>(i));
    sums.emplace_back(text.size());
  }
  const i64 vocab = model_.plan.spec.vocab_size;
  feed(feeds, [&](size_t f, size_t row, const float* logits) {
    double sum = 0;
    for (i64 i = 0; i < vocab; ++i) sum += static_cast<double>(logits[i]);
    sums[f][row] = sum - static_cast<double>(vocab) * state_.k.log_sum_exp(logits, vocab);
  });
  std::vector<double> scores;
  for (const std::vector<double>& rows : sums) {
    double sum = 0;
    for (const double x : rows) sum += x;
    scores.push_back(sum);
  }
  return scores;
}

// Makes slot an empty cache with room for that many tokens.
void EngineScorer::make_cache(size_t slot, i64 capacity) {
  capacity = div_up(capacity, KvCache::kRowGroup) * KvCache::kRowGroup;
  while (caches_.size() <= slot) caches_.push_back(KvCache::with_room(model_, capacity));
  if (caches_[slot].capacity() < capacity) caches_[slot] = KvCache::with_room(model_, capacity);
  caches_[slot].truncate(0);
}

bool EngineScorer::is_long(const Feed& feed) const {
  return feed.tokens.size() > kPassTokens || feed.rows.size() > kPassLogits;
}

// Of a feed too long for one pass, passes over its trunk until what is left fits, or only branches
// are. Uses slot 0. Returns how many of its tokens that were.
size_t EngineScorer::feed_ahead(const Feed& feed, size_t index, const OnRow& on_row) {
  const auto n = static_cast<i64>(feed.tokens.size());
  const i64 vocab = model_.plan.spec.vocab_size;
  const i64 trunk = feed.branches.empty() ? n : feed.branches[0];
  make_cache(0, n);
  size_t row = 0;  // the first wanted one that has not been
  i64 at = 0;
  const auto most_tokens = static_cast<i64>(kPassTokens), most_rows = static_cast<i64>(kPassLogits);
  const auto rows_left = [&] { return static_cast<i64>(feed.rows.size() - row); };
  while (at < trunk && (n - at > most_tokens || rows_left() > most_rows)) {
    const i64 wanted = rows_left() > 0 ? feed.rows[row] : trunk;
    const i64 count = wanted > at ? std::min({most_tokens, wanted - at, trunk - at})
                                  : std::min(most_rows, trunk - at);
    std::vector<i64> rows;
    for (size_t r = row; r < feed.rows.size() && feed.rows[r] < at + count; ++r) {
      rows.push_back(feed.rows[r] - at);
    }
    const Run run{
        std::span(feed.tokens).subspan(static_cast<size_t>(at), static_cast<size_t>(count)),
        &caches_[0],
        {},
        rows};
    const auto logits = forward(model_, state_, std::span(&run, 1), LogitRows::kListed, path_);
    state_.for_rows(static_cast<i64>(rows.size()), [&](i64 r) {
      on_row(index, row + static_cast<size_t>(r), logits.data() + r * vocab);
    });
    row += rows.size();
    at += count;
  }
  return static_cast<size_t>(at);
}

// One pass over feeds [begin, end): the first of them without its first `ahead` tokens.
void EngineScorer::run_pass(std::span<const Feed> feeds, size_t begin, size_t end, size_t ahead,
                            const OnRow& on_row) {
  std::vector<Run> runs(end - begin);
  std::vector<std::vector<i64>> rows(runs.size()), branches(runs.size());
  std::vector<std::pair<size_t, size_t>> places;  // of each row of logits: feed, its wanted row
  for (size_t i = 0; i < runs.size(); ++i) {
    const Feed& f = feeds[begin + i];
    const size_t skipped = i == 0 ? ahead : 0;
    const auto shift = static_cast<i64>(skipped);
    for (size_t r = 0; r < f.rows.size(); ++r) {
      if (f.rows[r] < shift) continue;
      rows[i].push_back(f.rows[r] - shift);
      places.emplace_back(begin + i, r);
    }
    for (const i64 b : f.branches) branches[i].push_back(b - shift);
    runs[i] = {std::span(f.tokens).subspan(skipped), nullptr, branches[i], rows[i]};
    // The first slot has what was fed ahead.
    if (skipped == 0) make_cache(i, static_cast<i64>(f.tokens.size()));
  }
  for (size_t i = 0; i < runs.size(); ++i) runs[i].cache = &caches_[i];
  const i64 vocab = model_.plan.spec.vocab_size;
  const auto logits = forward(model_, state_, runs, LogitRows::kListed, path_);
  state_.for_rows(static_cast<i64>(places.size()), [&](i64 r) {
    const auto [f, row] = places[static_cast<size_t>(r)];
    on_row(f, row, logits.data() + r * vocab);
  });
}

void EngineScorer::feed(std::span<const Feed> feeds, const OnRow& on_row) {
  for (size_t begin = 0; begin < feeds.size();) {
    const size_t ahead = is_long(feeds[begin]) ? feed_ahead(feeds[begin], begin, on_row) : 0;
    size_t end = begin + 1;
    if (ahead == feeds[begin].tokens.size()) {
      begin = end;
      continue;
    }
    size_t tokens = feeds[begin].tokens.size() - ahead, rows = feeds[begin].rows.size();
    for (; end < feeds.size() && !is_long(feeds[end]); ++end) {
      tokens += feeds[end].tokens.size();
      rows += feeds[end].rows.size();
      if (tokens > kPassTokens || rows > kPassLogits) break;
    }
    run_pass(feeds, begin, end, ahead, on_row);
    begin = end;
  }
}

}  // namespace lathe::infer
