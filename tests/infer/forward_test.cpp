#include "infer/forward.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "infer/loaded.h"
#include "infer/reference_model.h"
#include "weights/merge.h"

namespace lathe::infer {
namespace {

using test::largest_difference;
using test::Loaded;
using test::NamedSpec;
using test::TinyWeights;

Loaded load(const ModelSpec& spec, DType dtype = DType::kF32) {
  return test::load_tiny(spec, dtype);
}

std::vector<int32_t> some_tokens(const ModelSpec& spec, i64 n, uint64_t seed = 3) {
  return test::some_tokens(spec.vocab_size, n, seed);
}

std::vector<float> all_logits(const Model& model, State& state, std::span<const int32_t> tokens,
                              PathChoice path = PathChoice::kAll) {
  KvCache cache(model);
  const auto logits = forward(model, state, cache, tokens, LogitRows::kAll, path);
  return {logits.begin(), logits.end()};
}

std::vector<float> flat(const test::Matrix& m) {
  std::vector<float> out;
  for (const auto& row : m) {
    for (const double v : row) out.push_back(static_cast<float>(v));
  }
  return out;
}

TEST_CASE("forward: logits equal an independent plain implementation, for every spec") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    test::ReferenceModel reference(s.spec, m.weights);
    const auto tokens = some_tokens(s.spec, 21);
    CHECK(largest_difference(all_logits(*m.model, state, tokens), flat(reference.logits(tokens))) <
          1e-4);
  }
}

TEST_CASE("forward: cached decoding, in pieces of any length, equals the full pass") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    const auto tokens = some_tokens(s.spec, s.spec.context_length);
    const std::vector<float> full = all_logits(*m.model, state, tokens);
    const size_t vocab = static_cast<size_t>(s.spec.vocab_size);
    for (const std::vector<size_t>& pieces : {std::vector<size_t>{1}, {3, 1, 17, 2, 1, 1, 9}}) {
      KvCache cache(*m.model);
      size_t at = 0;
      for (size_t i = 0; at < tokens.size(); ++i) {
        const size_t n = std::min(pieces[i % pieces.size()], tokens.size() - at);
        const auto part =
            forward(*m.model, state, cache, std::span(tokens).subspan(at, n), LogitRows::kAll);
        CHECK(largest_difference(part, std::span(full).subspan(at * vocab, n * vocab)) < 1e-4);
        at += n;
      }
      CHECK(cache.length() == static_cast<i64>(tokens.size()));
    }
  }
}

TEST_CASE("forward: long texts, over many blocks of queries and keys, equal the oracle") {
  ThreadPool pool(2);
  State state(pool);
  for (const DType cache_type : {DType::kF32, DType::kBf16}) {
    ModelSpec spec = test::tiny_spec();
    spec.context_length = 200;
    spec.n_kv_heads = 2;
    spec.n_layers = 2;
    const Loaded m = load(spec);
    test::ReferenceModel reference(spec, m.weights);
    const auto tokens = some_tokens(spec, 190);
    const auto want = flat(reference.logits(tokens));
    const double within = cache_type == DType::kF32 ? 1e-4 : 0.1;
    for (const size_t first : {190, 1, 64, 70, 129}) {
      CAPTURE(first);
      KvCache cache(*m.model, 0, cache_type);
      const size_t split = first * static_cast<size_t>(spec.vocab_size);
      const auto head =
          forward(*m.model, state, cache, std::span(tokens).first(first), LogitRows::kAll);
      CHECK(largest_difference(head, std::span(want).first(split)) < within);
      if (first == tokens.size()) continue;
      const auto tail =
          forward(*m.model, state, cache, std::span(tokens).subspan(first), LogitRows::kAll);
      CHECK(largest_difference(tail, std::span(want).subspan(split)) < within);
    }
  }
}

TEST_CASE("forward: the last row alone is the last row of all") {
  ThreadPool pool(1);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    const auto tokens = some_tokens(s.spec, 13);
    const auto full = all_logits(*m.model, state, tokens);
    KvCache cache(*m.model);
    const auto last = forward(*m.model, state, cache, tokens, LogitRows::kLast);
    REQUIRE(last.size() == static_cast<size_t>(s.spec.vocab_size));
    CHECK(largest_difference(last, std::span(full).last(last.size())) < 1e-5);
  }
}

TEST_CASE("forward: several sequences in one pass equal each by itself") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    const size_t vocab = static_cast<size_t>(s.spec.vocab_size);
    const std::vector<size_t> lengths = {1, 19, 4, 8};
    std::vector<std::vector<int32_t>> texts;
    std::vector<KvCache> caches;
    for (size_t i = 0; i < lengths.size(); ++i) {
      texts.push_back(some_tokens(s.spec, static_cast<i64>(lengths[i]) + 2, 10 + i));
      caches.emplace_back(*m.model);
    }
    // First the bulk, then two single tokens each.
    for (const size_t step : {0, 1, 2}) {
      std::vector<Run> runs;
      for (size_t i = 0; i < texts.size(); ++i) {
        const auto all = std::span<const int32_t>(texts[i]);
        runs.push_back({step == 0 ? all.first(lengths[i]) : all.subspan(lengths[i] + step - 1, 1),
                        &caches[i]});
      }
      const auto logits = forward(*m.model, state, runs, LogitRows::kLast);
      const std::vector<float> batch(logits.begin(), logits.end());
      REQUIRE(batch.size() == texts.size() * vocab);
      for (size_t i = 0; i < texts.size(); ++i) {
        const auto single =
            all_logits(*m.model, state, std::span(texts[i]).first(lengths[i] + step));
        CHECK(largest_difference(std::span(batch).subspan(i * vocab, vocab),
                                 std::span(single).last(vocab)) < 1e-4);
      }
    }
  }
}

TEST_CASE("forward: a batch of single tokens equals single runs bit for bit") {
  ThreadPool pool(2);
  State state(pool);
  const ModelSpec spec = test::tiny_spec();
  const Loaded m = load(spec, DType::kBf16);
  std::vector<KvCache> together, alone;
  std::vector<Run> runs;
  const auto tokens = some_tokens(spec, 5);
  for (size_t i = 0; i < tokens.size(); ++i) {
    together.emplace_back(*m.model);
    alone.emplace_back(*m.model);
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    runs.push_back({std::span(tokens).subspan(i, 1), &together[i]});
  }
  const auto logits = forward(*m.model, state, runs, LogitRows::kLast);
  const std::vector<float> batch(logits.begin(), logits.end());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto one = forward(*m.model, state, alone[i], runs[i].tokens, LogitRows::kLast);
    CHECK(std::equal(one.begin(), one.end(), batch.begin() + static_cast<i64>(i * one.size())));
  }
}

TEST_CASE("forward: a later token never changes an earlier logit") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    auto tokens = some_tokens(s.spec, 20);
    const auto before = all_logits(*m.model, state, tokens);
    tokens[15] = (tokens[15] + 1) % static_cast<int32_t>(s.spec.vocab_size);
    const auto after = all_logits(*m.model, state, tokens);
    const size_t same = 15 * static_cast<size_t>(s.spec.vocab_size);
    CHECK(std::equal(before.begin(), before.begin() + static_cast<i64>(same), after.begin()));
    CHECK(largest_difference(before, after) > 1e-3);
  }
}

TEST_CASE("forward: cgpt with kernel 1 equals lgpt") {
  ThreadPool pool(2);
  State state(pool);
  ModelSpec spec = test::tiny_spec();
  spec.tie_embeddings = false;
  spec.topology = {TopologyKind::kLgpt, 2, 2, 1};
  const Loaded lgpt = load(spec);
  spec.topology.kind = TopologyKind::kCgpt;
  const Loaded cgpt = load(spec);
  const auto tokens = some_tokens(spec, 17);
  CHECK(all_logits(*lgpt.model, state, tokens) == all_logits(*cgpt.model, state, tokens));
}

TEST_CASE("forward: the best path alone equals the model that has only that path") {
  ThreadPool pool(2);
  State state(pool);
  for (const int n_paths : {2, 4}) {
    ModelSpec spec = test::tiny_spec();
    spec.topology = {TopologyKind::kPgpt, n_paths, 2, 3};
    for (int best = 0; best < n_paths; ++best) {
      CAPTURE(best);
      const test::TempDir dir;
      TinyWeights weights = test::random_weights(make_plan(spec), 7);
      // softmax([gate, 0]): the last path wins where all gates are negative.
      for (size_t i = 0; i < weights.at(kGate).size(); ++i) {
        weights.at(kGate)[i] = static_cast<int>(i) == best ? 1.5f : -0.5f;
      }
      test::write_model(spec, weights, dir.path());
      const auto model = test::open_model(dir.path());
      test::ReferenceModel reference(spec, weights);
      const auto tokens = some_tokens(spec, 12);
      CHECK(largest_difference(all_logits(*model, state, tokens, PathChoice::kBest),
                               flat(reference.logits(tokens, best))) < 1e-4);
      CHECK(largest_difference(all_logits(*model, state, tokens), flat(reference.logits(tokens))) <
            1e-4);
    }
  }
}

TEST_CASE("forward: bf16 weights and a bf16 cache stay near the f32 oracle of the same weights") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec, DType::kBf16);
    test::ReferenceModel reference(s.spec, m.weights);
    const auto tokens = some_tokens(s.spec, 20);
    const auto expected = flat(reference.logits(tokens));
    // Single tokens: activations stay f32, so only rounding in sums is left.
    KvCache cache(*m.model), narrow(*m.model, 0, DType::kBf16);
    const size_t vocab = static_cast<size_t>(s.spec.vocab_size);
    for (size_t t = 0; t < tokens.size(); ++t) {
      const auto row = std::span(expected).subspan(t * vocab, vocab);
      const auto one = std::span(tokens).subspan(t, 1);
      CHECK(largest_difference(forward(*m.model, state, cache, one, LogitRows::kLast), row) < 1e-4);
      CHECK(largest_difference(forward(*m.model, state, narrow, one, LogitRows::kLast), row) <
            0.15);
    }
    CHECK(largest_difference(all_logits(*m.model, state, tokens), expected) < 0.2);
  }
}

TEST_CASE("forward: a structured linear equals its dense matrix") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    for (const LoadedStage& stage : m.model->stages) {
      const auto* blocks = std::get_if<Blocks>(&stage);
      if (!blocks || blocks->blocks.empty()) continue;
      const Block& b = blocks->blocks.back();
      const std::pair<const Linear*, const char*> linears[] = {{&b.qkv, "attention.qkv"},
                                                               {&b.out, "attention.out"},
                                                               {&b.up, "ffn.up"},
                                                               {&b.down, "ffn.down"}};
      for (const auto& [linear, name] : linears) {
        const LinearSpec& spec = linear->spec;
        std::vector<std::span<const float>> values;
        const std::string part = tensor_name(b.spec.name, name);
        for (const Factor& f : factors(spec)) {
          values.emplace_back(m.weights.at(tensor_name(part, f.name)));
        }
        std::vector<float> dense(static_cast<size_t>(spec.in * spec.out));
        merge_to_dense(spec, values, dense);
        for (const i64 n : {1, 3, 30}) {
          const Random random(5, RandomUse::kSampling);
          std::vector<float> x(static_cast<size_t>(n * spec.in)), want, got;
          for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random.normal(i));
          got.resize(static_cast<size_t>(n * spec.out));
          for (i64 t = 0; t < n; ++t) {
            for (i64 o = 0; o < spec.out; ++o) {
              double sum = linear->bias ? static_cast<double>(linear->bias[o]) : 0.0;
              for (i64 i = 0; i < spec.in; ++i) {
                sum += static_cast<double>(dense[static_cast<size_t>(o * spec.in + i)]) *
                       static_cast<double>(x[static_cast<size_t>(t * spec.in + i)]);
              }
              want.push_back(static_cast<float>(sum));
            }
          }
          apply(*linear, state, n, x.data(), got.data());
          CHECK(largest_difference(got, want) < 1e-4);
        }
      }
    }
  }
}

TEST_CASE("forward: the number of threads does not change a bit") {
  const ModelSpec spec = test::tiny_spec();
  const Loaded m = load(spec, DType::kBf16);
  const auto tokens = some_tokens(spec, 30);
  ThreadPool one(1), three(3);
  State a(one), b(three);
  CHECK(all_logits(*m.model, a, tokens) == all_logits(*m.model, b, tokens));
}

TEST_CASE("forward: bad input is an error and leaves the cache as it was") {
  ThreadPool pool(1);
  State state(pool);
  const ModelSpec spec = test::tiny_spec();
  const Loaded m = load(spec);
  KvCache cache(*m.model, 8);
  const std::vector<int32_t> good = {1, 2, 3}, high = {1, 37}, low = {-1};
  const std::vector<int32_t> long_run(6, 1);
  forward(*m.model, state, cache, good, LogitRows::kLast);
  for (const auto& bad : {high, low, long_run, std::vector<int32_t>{}}) {
    CHECK_THROWS_AS(forward(*m.model, state, cache, bad, LogitRows::kLast), Error);
    CHECK(cache.length() == 3);
  }
}

TEST_CASE("forward: a cache that is forked, cut back or emptied goes on as a new one would") {
  ThreadPool pool(2);
  State state(pool);
  for (const NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const Loaded m = load(s.spec);
    const auto tokens = some_tokens(s.spec, 22);
    const auto head = std::span(tokens).first(12), tail = std::span(tokens).subspan(12);
    KvCache cache(*m.model);
    forward(*m.model, state, cache, head, LogitRows::kLast);
    KvCache copy = cache.fork();
    const auto logits = forward(*m.model, state, cache, tail, LogitRows::kAll);
    const std::vector<float> want(logits.begin(), logits.end());
    CHECK(largest_difference(forward(*m.model, state, copy, tail, LogitRows::kAll), want) == 0);
    // Other tokens, then back to where the tail begins: what convolutions saw goes back too.
    copy.truncate(10);
    forward(*m.model, state, copy, tail.first(9), LogitRows::kLast);
    copy.truncate(10);
    forward(*m.model, state, copy, head.subspan(10), LogitRows::kLast);
    CHECK(largest_difference(forward(*m.model, state, copy, tail, LogitRows::kAll), want) < 1e-4);
    copy.truncate(0);
    forward(*m.model, state, copy, head, LogitRows::kLast);
    CHECK(largest_difference(forward(*m.model, state, copy, tail, LogitRows::kAll), want) == 0);
  }
}

}  // namespace
}  // namespace lathe::infer
