#include "infer/score.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
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

TEST_CASE("score: log-probabilities equal one pass a token") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(2);
  State state(pool);
  KvCache cache(*m.model);
  const auto tokens = test::some_tokens(spec.vocab_size, 49);
  const auto want = slow_scores(*m.model, state, tokens);
  for (const i64 first : {1, 2, 30, 48}) {
    const TokenScores got = score_tokens(*m.model, state, cache, tokens, first);
    REQUIRE(got.log_probs.size() == static_cast<size_t>(49 - first));
    for (size_t i = 0; i < got.log_probs.size(); ++i) {
      CHECK(got.log_probs[i] ==
            doctest::Approx(want[i + static_cast<size_t>(first) - 1]).epsilon(1e-4));
    }
  }
}

TEST_CASE("score: greedy says whether each token was the most likely one") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(2);
  State state(pool);
  KvCache cache(*m.model);
  std::vector<int32_t> tokens = {1, 2, 3};
  for (int i = 0; i < 4; ++i) {
    cache.clear();
    const auto l = forward(*m.model, state, cache, tokens, LogitRows::kLast);
    tokens.push_back(static_cast<int32_t>(std::max_element(l.begin(), l.end()) - l.begin()));
  }
  CHECK(score_tokens(*m.model, state, cache, tokens, 3).greedy);
  tokens[5] = (tokens[5] + 1) % 37;
  CHECK_FALSE(score_tokens(*m.model, state, cache, tokens, 3).greedy);
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
  const OnWindow count = [&](i64, i64 all, double) {
    CHECK(all == 3);
    ++calls;
  };
  // As lay_out() would: every token spells two bytes.
  ScoredPart part{rolling_windows(110, spec.context_length, true), 36, 110, 220};
  const Perplexity p = perplexity(*m.model, state, part, read, PathChoice::kAll, count);
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

  const OnWindow none = [](i64, i64, double) {};
  part = {{part.windows[0]}, 36, 48, 96};
  const Perplexity limited = perplexity(*m.model, state, part, read, PathChoice::kAll, none);
  CHECK(limited.n_tokens == 48);
  CHECK(limited.bits_per_byte ==
        doctest::Approx(limited.nll_per_token / std::log(2.0) / 2).epsilon(1e-6));
}

TEST_CASE("score: texts that cannot be scored are errors") {
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  ThreadPool pool(1);
  State state(pool);
  KvCache cache(*m.model);
  const auto too_long = test::some_tokens(spec.vocab_size, 50);
  const std::vector<int32_t> one = {1}, foreign = {1, 37};
  CHECK_THROWS_AS(score_tokens(*m.model, state, cache, too_long, 1), Error);
  CHECK_THROWS_AS(score_tokens(*m.model, state, cache, one, 1), Error);
  CHECK_THROWS_AS(score_tokens(*m.model, state, cache, foreign, 1), Error);
  CHECK_THROWS_AS(score_tokens(*m.model, state, cache, too_long, 0), Error);
}

}  // namespace
}  // namespace lathe::infer
