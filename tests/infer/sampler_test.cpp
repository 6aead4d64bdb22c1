#include "infer/sampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "support/error_text.h"

namespace lathe::infer {
namespace {

// ln of 0.5, 0.25, 0.125, 0.0625, 0.0625 in a shuffled order: tokens 3, 1, 4, 0, 2.
const std::vector<float> kLogits = {std::log(0.0625f), std::log(0.25f), std::log(0.0625f),
                                    std::log(0.5f), std::log(0.125f)};

std::map<int32_t, double> left(const SamplerOptions& options, i64 n_vocab = 5,
                               std::vector<int32_t> recent = {}) {
  std::map<int32_t, double> out;
  double total = 0;
  for (const Candidate& c : candidates(kLogits, n_vocab, recent, options)) {
    out.emplace(c.token, c.probability);
    total += c.probability;
  }
  CHECK(total == doctest::Approx(1));
  return out;
}

SamplerOptions plain() {
  SamplerOptions options;
  options.temperature = 1;
  return options;
}

std::vector<int32_t> keys(const std::map<int32_t, double>& m) {
  std::vector<int32_t> out;
  for (const auto& [token, p] : m) out.push_back(token);
  return out;
}

TEST_CASE("sampler: without filters every token keeps its probability") {
  const auto all = left(plain());
  CHECK(all.size() == 5);
  CHECK(all.at(3) == doctest::Approx(0.5));
  CHECK(all.at(2) == doctest::Approx(0.0625));
}

TEST_CASE("sampler: temperature sharpens and flattens") {
  SamplerOptions options = plain();
  options.temperature = 0.5;
  CHECK(left(options).at(3) / left(options).at(1) == doctest::Approx(4));
  options.temperature = 2;
  CHECK(left(options).at(3) / left(options).at(1) == doctest::Approx(std::sqrt(2.0)));
  options.temperature = 0;
  CHECK(keys(left(options)) == std::vector<int32_t>{3});
}

TEST_CASE("sampler: top_k keeps the k most likely, the lower id among equals") {
  SamplerOptions options = plain();
  options.top_k = 2;
  CHECK(left(options).at(3) == doctest::Approx(2.0 / 3));
  CHECK(keys(left(options)) == std::vector<int32_t>{1, 3});
  options.top_k = 4;
  CHECK(keys(left(options)) == std::vector<int32_t>{0, 1, 3, 4});
  options.top_k = 99;
  CHECK(left(options).size() == 5);
}

TEST_CASE("sampler: top_p keeps the fewest that reach the sum, at least one") {
  SamplerOptions options = plain();
  options.top_p = 0.49;
  CHECK(keys(left(options)) == std::vector<int32_t>{3});
  options.top_p = 0.51;
  CHECK(keys(left(options)) == std::vector<int32_t>{1, 3});
  options.top_p = 0.8;
  CHECK(keys(left(options)) == std::vector<int32_t>{1, 3, 4});
  options.top_p = 1e-9;
  CHECK(keys(left(options)) == std::vector<int32_t>{3});
  // A share of what top_k leaves: 0.5 and 0.25 become ⅔ and ⅓.
  options.top_k = 2;
  options.top_p = 0.6;
  CHECK(keys(left(options)) == std::vector<int32_t>{3});
  options.top_p = 0.7;
  CHECK(keys(left(options)) == std::vector<int32_t>{1, 3});
}

TEST_CASE("sampler: min_p drops what is less likely than its share of the first") {
  SamplerOptions options = plain();
  options.min_p = 0.24;
  CHECK(keys(left(options)) == std::vector<int32_t>{1, 3, 4});
  options.min_p = 0.26;
  CHECK(keys(left(options)) == std::vector<int32_t>{1, 3});
  options.min_p = 1;
  CHECK(keys(left(options)) == std::vector<int32_t>{3});
}

TEST_CASE("sampler: the repeat penalty makes recent tokens less likely, once each") {
  SamplerOptions options = plain();
  options.repeat_penalty = 2;
  // Logits are negative here: doubled, so a probability is squared before it is normalised.
  const auto punished = left(options, 5, {3, 3, 3, 99, -5});
  CHECK(punished.at(3) / punished.at(1) == doctest::Approx(0.25 / 0.25));
  const std::vector<float> positive = {2.0f, 1.0f};
  options.temperature = 0;
  const std::vector<int32_t> recent = {0};
  options.repeat_penalty = 3;
  CHECK(candidates(positive, 2, recent, options)[0].token == 1);
}

TEST_CASE("sampler: tokens behind the tokenizer's vocabulary are never chosen") {
  CHECK(keys(left(plain(), 3)) == std::vector<int32_t>{0, 1, 2});
  SamplerOptions options;
  options.temperature = 0;
  CHECK(keys(left(options, 3)) == std::vector<int32_t>{1});
}

TEST_CASE("sampler: the same seed draws the same tokens, in the right proportions") {
  SamplerOptions options = plain();
  options.seed = 11;
  Sampler a(options), b(options);
  options.seed = 12;
  Sampler other(options);
  std::map<int32_t, int> counts;
  bool differs = false;
  for (int i = 0; i < 8000; ++i) {
    const int32_t token = a.next(kLogits, 5, {});
    REQUIRE(token == b.next(kLogits, 5, {}));
    differs = differs || token != other.next(kLogits, 5, {});
    ++counts[token];
  }
  CHECK(differs);
  CHECK(counts[3] == doctest::Approx(4000).epsilon(0.05));
  CHECK(counts[1] == doctest::Approx(2000).epsilon(0.08));
  CHECK(counts[2] == doctest::Approx(500).epsilon(0.2));
}

TEST_CASE("sampler: the penalty looks back over repeat_last_n tokens only") {
  SamplerOptions options;
  options.temperature = 0;
  options.repeat_penalty = 100;
  options.repeat_last_n = 2;
  Sampler sampler(options);
  const std::vector<int32_t> text = {3, 0, 0};
  CHECK(sampler.next(kLogits, 5, text) == 3);
  options.repeat_last_n = 3;
  Sampler longer(options);
  CHECK(longer.next(kLogits, 5, text) == 1);
}

TEST_CASE("sampler: options out of range are errors that name them") {
  const auto message = [](auto set) {
    SamplerOptions options;
    set(options);
    return test::error_text([&] { options.validate(); });
  };
  CHECK(message([](SamplerOptions&) {}) == "");
  CHECK(
      test::contains(message([](SamplerOptions& o) { o.temperature = -1; }), "temperature is -1"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.temperature = NAN; }), "temperature"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.top_k = -1; }), "top_k"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.top_p = 0; }), "top_p"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.top_p = 1.1; }), "top_p"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.min_p = -0.1; }), "min_p"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.min_p = NAN; }), "min_p"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.repeat_penalty = 0; }), "repeat_penalty"));
  CHECK(test::contains(message([](SamplerOptions& o) { o.repeat_last_n = -1; }), "repeat_last_n"));
}

TEST_CASE("sampler: logits that are no numbers are an error or never chosen") {
  const std::vector<float> nan = {NAN, NAN}, one = {NAN, 1.0f, -INFINITY}, inf = {1.0f, INFINITY};
  CHECK_THROWS_AS(candidates(nan, 2, {}, plain()), Error);
  CHECK_THROWS_AS(candidates(inf, 2, {}, plain()), Error);
  CHECK_THROWS_AS(candidates({}, 0, {}, plain()), Error);
  SamplerOptions greedy = plain();
  greedy.temperature = 0;
  CHECK_THROWS_AS(candidates(nan, 2, {}, greedy), Error);
  CHECK(candidates(one, 3, {}, greedy)[0].token == 1);
  for (const Candidate& c : candidates(one, 3, {}, plain())) {
    CHECK((c.token == 1) == (c.probability > 0));
  }
}

}  // namespace
}  // namespace lathe::infer
