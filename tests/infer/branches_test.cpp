// Runs with branches: what a trunk's alternatives give equals texts of their own.
#include <doctest/doctest.h>

#include "infer/engine_scorer.h"
#include "infer/loaded.h"
#include "support/error_text.h"

namespace lathe::infer {
namespace {

std::vector<float> logits_of(const Model& model, State& state, std::vector<int32_t> text) {
  KvCache cache(model);
  const auto logits = forward(model, state, cache, text, LogitRows::kAll);
  return {logits.begin(), logits.end()};
}

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A trunk of `trunk` tokens, of which `cached` are in the cache before, and alternatives behind.
void check_branches(const Model& model, State& state, i64 trunk, i64 cached, DType dtype,
                    double tolerance) {
  const i64 vocab = model.plan.spec.vocab_size;
  const auto shared = test::some_tokens(vocab, trunk);
  std::vector<std::vector<int32_t>> ways;
  for (const i64 n : {1, 3, 9, 2}) {
    ways.push_back(test::some_tokens(vocab, n, static_cast<uint64_t>(n) + 10));
  }
  KvCache cache = KvCache::with_room(model, 64, dtype);
  if (cached > 0) {
    forward(model, state, cache, std::span(shared).first(static_cast<size_t>(cached)),
            LogitRows::kLast);
  }
  std::vector<int32_t> fed(shared.begin() + cached, shared.end());
  std::vector<i64> branches;
  for (const auto& way : ways) {
    branches.push_back(static_cast<i64>(fed.size()));
    fed = joined(std::move(fed), way);
  }
  const Run run{fed, &cache, branches, {}};
  const auto all = forward(model, state, std::span(&run, 1), LogitRows::kAll);
  std::vector<float> logits(all.begin(), all.end());
  REQUIRE(logits.size() == fed.size() * static_cast<size_t>(vocab));
  for (size_t w = 0; w < ways.size(); ++w) {
    const std::vector<float> want = logits_of(model, state, joined(shared, ways[w]));
    const size_t n = ways[w].size() * static_cast<size_t>(vocab);
    const auto got = std::span(logits).subspan(static_cast<size_t>(branches[w] * vocab), n);
    CHECK(test::largest_difference(got, std::span(want).last(n)) < tolerance);
  }
  // The trunk's own rows, and text that goes on once the alternatives are forgotten.
  const std::vector<float> want = logits_of(model, state, joined(shared, ways[2]));
  const size_t begin = static_cast<size_t>(cached * vocab),
               n = static_cast<size_t>((trunk - cached) * vocab);
  CHECK(test::largest_difference(std::span(logits).first(n), std::span(want).subspan(begin, n)) <
        tolerance);
  cache.truncate(trunk);
  const auto after = forward(model, state, cache, ways[2], LogitRows::kLast);
  CHECK(test::largest_difference(after, std::span(want).last(static_cast<size_t>(vocab))) <
        tolerance);
}

TEST_CASE("branches: every alternative's logits equal those of its own text, for every spec") {
  ThreadPool pool(2);
  State state(pool);
  for (const test::NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const test::Loaded m = test::load_tiny(s.spec);
    for (const i64 cached : {0, 5, 11})
      check_branches(*m.model, state, 11, cached, DType::kF32, 1e-4);
    check_branches(*m.model, state, 1, 0, DType::kF32, 1e-4);
  }
}

TEST_CASE("branches: in a cache of bf16 too") {
  ThreadPool pool(2);
  State state(pool);
  const test::Loaded m = test::load_tiny(test::tiny_spec());
  check_branches(*m.model, state, 11, 5, DType::kBf16, 0.2);
}

TEST_CASE("forward: listed rows are those of all rows, over several runs") {
  ThreadPool pool(2);
  State state(pool);
  const ModelSpec spec = test::tiny_spec();
  const test::Loaded m = test::load_tiny(spec);
  const auto vocab = static_cast<size_t>(spec.vocab_size);
  const std::vector<std::vector<int32_t>> texts = {
      test::some_tokens(37, 12, 1), test::some_tokens(37, 5, 2), test::some_tokens(37, 20, 3)};
  const std::vector<std::vector<i64>> rows = {{0, 3, 11}, {}, {19}};
  std::vector<KvCache> caches;
  std::vector<Run> runs;
  for (size_t i = 0; i < texts.size(); ++i) caches.emplace_back(*m.model);
  for (size_t i = 0; i < texts.size(); ++i) runs.push_back({texts[i], &caches[i], {}, rows[i]});
  const auto listed = forward(*m.model, state, runs, LogitRows::kListed);
  const std::vector<float> got(listed.begin(), listed.end());
  REQUIRE(got.size() == 4 * vocab);
  size_t at = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> want = logits_of(*m.model, state, texts[i]);
    for (const i64 row : rows[i]) {
      CHECK(test::largest_difference(
                std::span(got).subspan(at++ * vocab, vocab),
                std::span(want).subspan(static_cast<size_t>(row) * vocab, vocab)) < 1e-4);
    }
  }
  // None at all is no error.
  caches[0].truncate(0);
  const Run none{texts[0], &caches[0], {}, {}};
  CHECK(forward(*m.model, state, std::span(&none, 1), LogitRows::kListed).empty());
  CHECK(caches[0].length() == 12);
}

TEST_CASE("branches: an alternative beyond the context length is an error, and nothing changes") {
  ThreadPool pool(1);
  State state(pool);
  const test::Loaded m = test::load_tiny(test::tiny_spec());  // a context of 48
  KvCache cache = KvCache::with_room(*m.model, 128);
  const auto tokens = test::some_tokens(37, 80);
  const std::vector<i64> fits = {40, 48, 56, 64, 72}, longer = {40, 49};
  const Run good{tokens, &cache, fits, {}}, bad{tokens, &cache, longer, {}};
  CHECK(test::contains(
      test::error_text([&] { forward(*m.model, state, std::span(&bad, 1), LogitRows::kLast); }),
      "9 tokens after 40 do not fit the context of 48"));
  CHECK(cache.length() == 0);
  forward(*m.model, state, std::span(&good, 1), LogitRows::kLast);
  CHECK(cache.length() == 80);
}

// Requests as multiple choice has them, and others between.
std::vector<Request> mixed_requests(i64 vocab, i64 longest) {
  std::vector<Request> requests;
  uint64_t seed = 20;
  const auto tokens = [&](i64 n) { return test::some_tokens(vocab, n, ++seed); };
  for (const i64 n : {i64{1}, i64{7}, i64{20}, longest}) {
    const auto context = tokens(n);
    for (const i64 m : {1, 1, 4, 9}) requests.push_back({context, tokens(m)});
    // Contexts that part late, as where the choice is in the context.
    auto other = context;
    other.back() = (other.back() + 1) % static_cast<int32_t>(vocab);
    const auto tail = tokens(6);
    requests.push_back({context, tail});
    requests.push_back({other, tail});
    requests.push_back({tokens(3), tokens(2)});
  }
  requests.push_back(requests[2]);  // the same again
  return requests;
}

TEST_CASE("scorer: together or alone, in any company and order, requests have the same scores") {
  ThreadPool pool(2);
  State state(pool);
  for (const TopologyKind kind : kValuesOf<TopologyKind>) {
    CAPTURE(name_of(kind));
    ModelSpec spec = test::tiny_spec();
    spec.topology.kind = kind;
    spec.tie_embeddings = false;
    const test::Loaded m = test::load_tiny(spec);
    EngineScorer scorer(*m.model, state);
    const auto requests = mixed_requests(spec.vocab_size, 36);
    const auto together = scorer.score(requests, true);
    REQUIRE(together.size() == requests.size());
    std::vector<Request> turned(requests.rbegin(), requests.rend());
    const auto backwards = scorer.score(turned, true);
    for (size_t i = 0; i < requests.size(); ++i) {
      const Score alone = scorer.score(std::span(&requests[i], 1), true)[0];
      CHECK(std::abs(together[i].log_likelihood - alone.log_likelihood) < 1e-4);
      CHECK(std::abs(backwards[requests.size() - 1 - i].log_likelihood - alone.log_likelihood) <
            1e-4);
      CHECK(together[i].greedy == alone.greedy);
    }
  }
}

TEST_CASE("scorer: a context longer than a pass is fed in pieces") {
  ThreadPool pool(2);
  State state(pool);
  ModelSpec spec = test::tiny_spec();
  spec.context_length = 1400;
  spec.n_layers = 2;
  const test::Loaded m = test::load_tiny(spec);
  EngineScorer scorer(*m.model, state);
  for (const i64 n : {600, 1100, 1390}) {
    CAPTURE(n);
    const auto requests = mixed_requests(spec.vocab_size, n);
    const auto together = scorer.score(requests, false);
    for (size_t i = 0; i < requests.size(); ++i) {
      const Request& r = requests[i];
      const std::vector<float> logits =
          logits_of(*m.model, state, joined(r.context, r.continuation));
      double sum = 0;
      for (size_t t = 0; t < r.continuation.size(); ++t) {
        const float* row = logits.data() + (r.context.size() + t - 1) * 37;
        sum += static_cast<double>(row[r.continuation[t]]) - state.k.log_sum_exp(row, 37);
      }
      CHECK(std::abs(together[i].log_likelihood - sum) < 1e-3);
    }
  }
}

TEST_CASE("scorer: whole vocabularies are summed over every position") {
  ThreadPool pool(2);
  State state(pool);
  const test::Loaded m = test::load_tiny(test::tiny_spec());
  EngineScorer scorer(*m.model, state);
  const std::vector<std::vector<int32_t>> texts = {test::some_tokens(37, 30, 1),
                                                   test::some_tokens(37, 1, 2)};
  const auto scores = scorer.score_vocabulary(texts);
  REQUIRE(scores.size() == 2);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> logits = logits_of(*m.model, state, texts[i]);
    double want = 0;
    for (size_t row = 0; row < texts[i].size(); ++row) {
      double total = 0;
      for (size_t v = 0; v < 37; ++v) total += std::exp(static_cast<double>(logits[row * 37 + v]));
      for (size_t v = 0; v < 37; ++v) {
        want += static_cast<double>(logits[row * 37 + v]) - std::log(total);
      }
    }
    CHECK(scores[i] == doctest::Approx(want).epsilon(1e-5));
  }
}

}  // namespace
}  // namespace lathe::infer
