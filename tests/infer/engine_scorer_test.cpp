#include "infer/engine_scorer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "eval/perplexity.h"
#include "infer/loaded.h"

namespace lathe::infer {
namespace {

// ln p of each token given those before it, one full pass a token, in double.
std::vector<double> slow_scores(const Model& model, State& state, std::vector<int32_t> tokens) {
  std::vector<double> out;
  for (size_t i = 1; i < tokens.size(); ++i) {
    KvCache cache(model);
    const auto logits = forward(model, state, cache, std::span(tokens).first(i), LogitRows::kLast);
    double sum = 0;
    for (const float l : logits) sum += std::exp(static_cast<double>(l));
    out.push_back(static_cast<double>(logits[static_cast<size_t>(tokens[i])]) - std::log(sum));
  }
  return out;
}

TEST_CASE("scorer: log-likelihoods equal one pass a token") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(2);
  State state(pool);
  EngineScorer scorer(*m.model, state);
  const auto tokens = test::some_tokens(spec.vocab_size, 49);
  const auto want = slow_scores(*m.model, state, tokens);
  std::vector<Request> requests;
  for (const i64 first : {1, 2, 30, 48}) {
    requests.push_back(
        {{tokens.begin(), tokens.begin() + first}, {tokens.begin() + first, tokens.end()}});
  }
  const auto scores = scorer.score(requests, false);
  REQUIRE(scores.size() == requests.size());
  for (size_t r = 0; r < requests.size(); ++r) {
    double sum = 0;
    for (size_t i = requests[r].context.size() - 1; i < want.size(); ++i) sum += want[i];
    CHECK(scores[r].log_likelihood == doctest::Approx(sum).epsilon(1e-4));
  }
}

TEST_CASE("scorer: greedy says whether each token was the most likely one") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(2);
  State state(pool);
  EngineScorer scorer(*m.model, state);
  std::vector<int32_t> likely;
  for (int i = 0; i < 4; ++i) {
    KvCache cache(*m.model);
    std::vector<int32_t> tokens = {1, 2, 3};
    tokens.insert(tokens.end(), likely.begin(), likely.end());
    const auto l = forward(*m.model, state, cache, tokens, LogitRows::kLast);
    likely.push_back(static_cast<int32_t>(std::max_element(l.begin(), l.end()) - l.begin()));
  }
  Request request{{1, 2, 3}, likely};
  CHECK(scorer.score(std::span(&request, 1), true)[0].greedy);
  request.continuation[2] = (request.continuation[2] + 1) % 37;
  CHECK_FALSE(scorer.score(std::span(&request, 1), true)[0].greedy);
}

TEST_CASE("perplexity: equals the scores of its windows") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(2);
  State state(pool);
  const auto text = test::some_tokens(spec.vocab_size, 110);
  const ReadTokens read = [&](i64 offset, std::span<int64_t> out) {
    std::copy_n(text.begin() + offset, out.size(), out.begin());
  };
  i64 calls = 0;
  const OnWindows count = [&](i64, i64 all, double) {
    CHECK(all == 3);
    ++calls;
    return true;
  };
  // As lay_out() would: every token spells two bytes.
  ScoredText scored{read, {rolling_windows(110, spec.context_length, true), 36, 110, 220}};
  EngineScorer scorer(*m.model, state);
  const Perplexity p = perplexity(scorer, std::span(&scored, 1), 1, count);
  CHECK(calls == 3);
  CHECK(p.n_tokens == 110);
  // 48 behind the prefix, 48 behind one token, 14 behind as many as fit.
  double nll = 0;
  std::vector<int32_t> first = {36};
  first.insert(first.end(), text.begin(), text.begin() + 48);
  for (const double s : slow_scores(*m.model, state, first)) nll -= s;
  for (const double s : slow_scores(*m.model, state, {text.begin() + 47, text.begin() + 96})) {
    nll -= s;
  }
  const auto last = slow_scores(*m.model, state, {text.begin() + 61, text.begin() + 110});
  for (size_t i = last.size() - 14; i < last.size(); ++i) nll -= last[i];
  CHECK(p.nll_per_token == doctest::Approx(nll / 110).epsilon(1e-4));
  CHECK(p.ppl == doctest::Approx(std::exp(nll / 110)).epsilon(1e-3));
  CHECK(p.bits_per_byte == doctest::Approx(nll / std::log(2.0) / 220).epsilon(1e-4));

  scored.part = {{scored.part.windows[0]}, 36, 48, 96};
  const Perplexity limited =
      perplexity(scorer, std::span(&scored, 1), 1, [](i64, i64, double) { return true; });
  CHECK(limited.n_tokens == 48);
  CHECK(limited.bits_per_byte ==
        doctest::Approx(limited.nll_per_token / std::log(2.0) / 2).epsilon(1e-6));
}

TEST_CASE("scorer: requests that cannot be scored are errors") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(1);
  State state(pool);
  EngineScorer scorer(*m.model, state);
  for (const Request& bad : {Request{{1}, test::some_tokens(spec.vocab_size, 49)}, Request{{1}, {}},
                             Request{{}, {1}}, Request{{1}, {37}}, Request{{-1}, {1}}}) {
    CHECK_THROWS_AS(scorer.score(std::span(&bad, 1), false), Error);
  }
}

}  // namespace
}  // namespace lathe::infer
