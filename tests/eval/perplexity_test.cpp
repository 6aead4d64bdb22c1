#include "eval/perplexity.h"

#include <doctest/doctest.h>

#include <cmath>

#include "support/error_text.h"

using namespace lathe;

namespace {

// ln p = −(token + 1) of each token, whatever comes before it.
class FakeScorer : public Scorer {
 public:
  i64 context_length() const override { return 4; }
  std::vector<Score> score(std::span<const Request> requests, bool) override {
    std::vector<Score> scores;
    for (const Request& request : requests) {
      check_request(request, context_length(), 10);
      Score score;
      for (const int32_t token : request.continuation) score.log_likelihood -= token + 1;
      scores.push_back(score);
    }
    ++n_calls;
    return scores;
  }
  int n_calls = 0;
};

// Tokens 0 … n − 1, every one scored behind the prefix 9, in windows of 4; 2 bytes a token.
ScoredText counting(i64 n) {
  return {[](i64 offset, std::span<i64> out) {
            for (i64& id : out) id = offset++;
          },
          {rolling_windows(n, 4, true), 9, n, 2 * n}};
}

bool go_on(i64, i64, double) { return true; }

}  // namespace

TEST_CASE("perplexity: every token of every text counts once, however windows go together") {
  const ScoredText texts[] = {counting(7), counting(5)};
  const double nats = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 1 + 2 + 3 + 4 + 5;
  for (const i64 batch : {1, 2, 100}) {
    CAPTURE(batch);
    FakeScorer scorer;
    const Perplexity p = perplexity(scorer, texts, batch, go_on);
    CHECK(p.n_tokens == 12);
    CHECK(p.n_windows == 4);
    CHECK(p.nll_per_token == doctest::Approx(nats / 12));
    CHECK(p.ppl == doctest::Approx(std::exp(nats / 12)));
    CHECK(p.bits_per_byte == doctest::Approx(nats / std::log(2.0) / 24));
    CHECK(scorer.n_calls == (batch == 1 ? 4 : 2));  // windows of two texts do not go together
  }
}

TEST_CASE("perplexity: ends where it is told to, and of nothing is nothing") {
  FakeScorer scorer;
  const ScoredText texts[] = {counting(7), counting(5)};
  perplexity(scorer, texts, 1, [](i64 done, i64 all, double) {
    CHECK(all == 4);
    return done < 2;
  });
  CHECK(scorer.n_calls == 2);
  CHECK(std::isnan(perplexity(scorer, {}, 1, go_on).nll_per_token));
}

TEST_CASE("scorer: what cannot be scored is an Error with the numbers") {
  const auto error = [](const Request& request) {
    return test::error_text([&] { check_request(request, 4, 10); });
  };
  CHECK(error({{1}, {2, 3, 4, 5}}) == "");
  CHECK(test::contains(error({{1, 2}, {2, 3, 4, 5}}), "5 tokens do not fit the context of 4"));
  CHECK(test::contains(error({{}, {1}}), "0 tokens of context and 1"));
  CHECK(test::contains(error({{1}, {}}), "1 tokens of context and 0"));
  CHECK(test::contains(error({{1}, {10}}), "token 10 is outside the vocabulary of 10"));
  CHECK(test::contains(error({{-1}, {1}}), "token -1"));
}
