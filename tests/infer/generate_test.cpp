#include "infer/generate.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "infer/loaded.h"
#include "support/error_text.h"

namespace lathe::infer {
namespace {

ModelSpec byte_spec() {
  ModelSpec spec = test::tiny_spec();
  spec.vocab_size = 300;  // more than the 257 of the byte tokenizer
  return spec;
}

struct Generated {
  GenerateResult result;
  std::string text;
};

struct Options : GenerateOptions {
  SamplerOptions sampler;
};

class Generator {
 public:
  explicit Generator(const ModelSpec& spec) : loaded_(test::load_tiny(spec)) {}

  Generated operator()(const Options& options, const std::string& prompt = "ab",
                       int stop_after = 1000) {
    Sequence sequence(*loaded_.model, options.sampler, tokenizer_->vocab_size());
    sequence.tokens = tokenizer_->encode(prompt);
    Generated out;
    int calls = 0;
    out.result = generate(*loaded_.model, state_, sequence, *tokenizer_, options,
                          [&](int32_t, std::string_view piece) {
                            out.text += piece;
                            return ++calls < stop_after;
                          });
    return out;
  }
  const Model& model() const { return *loaded_.model; }
  State& state() { return state_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  test::Loaded loaded_;
  std::unique_ptr<Tokenizer> tokenizer_ = make_byte_tokenizer();
  ThreadPool pool_{2};
  State state_{pool_};
};

TEST_CASE("generate: greedy tokens are those of full passes over the growing text") {
  Generator g(byte_spec());
  Options options;
  options.sampler.temperature = 0;
  options.max_tokens = 20;
  const Generated made = g(options);
  std::vector<int32_t> text = g.tokenizer().encode("ab");
  for (const int32_t token : made.result.tokens) {
    KvCache cache(g.model());
    const auto logits = forward(g.model(), g.state(), cache, text, LogitRows::kLast).first(257);
    CHECK(token == std::max_element(logits.begin(), logits.end()) - logits.begin());
    text.push_back(token);
  }
  CHECK(made.result.prompt_tokens == 2);
}

TEST_CASE("generate: the seed decides the text") {
  Generator g(byte_spec());
  Options options;
  options.sampler.temperature = 1;
  options.max_tokens = 30;
  options.sampler.seed = 5;
  const auto once = g(options).result.tokens, again = g(options).result.tokens;
  options.sampler.seed = 6;
  CHECK(once == again);
  CHECK(once != g(options).result.tokens);
}

TEST_CASE("generate: stops at the tokens asked for, the context's end, and when told to") {
  Generator g(byte_spec());
  Options options;
  options.sampler.temperature = 1;
  options.max_tokens = 7;
  CHECK(g(options).result.tokens.size() == 7);
  CHECK(g(options).result.reason == StopReason::kLength);
  options.max_tokens = 0;
  // 48 places: two of the prompt, and the last token needs none.
  CHECK(g(options).result.tokens.size() == 47);
  CHECK(g(options).result.reason == StopReason::kContext);
  CHECK(g(options, "ab", 3).result.reason == StopReason::kCancelled);
  CHECK(g(options, "ab", 3).result.tokens.size() == 3);
}

TEST_CASE("generate: stops at a stop string, which is not part of the text") {
  Generator g(byte_spec());
  Options options;
  options.sampler.temperature = 0.7;
  options.max_tokens = 40;
  const std::string whole = g(options).text;
  // A piece of the text that ASCII alone makes up, so that it can be found again.
  const size_t at =
      whole.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
  REQUIRE(at != std::string::npos);
  options.stop = {"never there", whole.substr(at, 1)};
  const Generated stopped = g(options);
  CHECK(stopped.result.reason == StopReason::kStop);
  CHECK(stopped.text == whole.substr(0, at));
}

TEST_CASE("generate: stops at the end of text, and never leaves the tokenizer's vocabulary") {
  ModelSpec spec = byte_spec();
  spec.tie_embeddings = false;
  const test::TempDir dir;
  auto weights = test::random_weights(make_plan(spec), 7);
  // Every logit is the same but that of <|endoftext|> or of an id without a token.
  const auto head_of = [&](size_t token) {
    auto& head = weights.at(kHead);
    std::fill(head.begin(), head.end(), 0.0f);
    std::fill_n(weights.at("norm.weight").begin(), 48, 0.0f);
    std::fill_n(weights.at("norm.bias").begin(), 48, 1.0f);
    std::fill_n(head.begin() + static_cast<i64>(token * 48), 48, 1.0f);
    test::write_model(spec, weights, dir.path());
    return test::open_model(dir.path());
  };
  ThreadPool pool(1);
  State state(pool);
  const auto tokenizer = make_byte_tokenizer();
  Options options;
  options.sampler.temperature = 0;
  options.max_tokens = 3;
  const auto run = [&](const Model& model) {
    Sequence sequence(model, options.sampler, tokenizer->vocab_size());
    sequence.tokens = {65};
    return generate(model, state, sequence, *tokenizer, options,
                    [](int32_t, std::string_view) { return true; });
  };
  const GenerateResult ended = run(*head_of(256));
  CHECK(ended.reason == StopReason::kEndOfText);
  CHECK(ended.tokens.empty());
  CHECK(run(*head_of(299)).tokens == std::vector<int32_t>{0, 0, 0});
}

TEST_CASE("generate: input that does not fit is an error") {
  Generator g(byte_spec());
  Options options;
  CHECK(test::contains(test::error_text([&] { g(options, std::string(49, 'a')); }),
                       "does not fit the context of 48"));
  CHECK_THROWS_AS(g(options, ""), Error);
  options.sampler.top_p = 7;
  CHECK_THROWS_AS(g(options), Error);
}

}  // namespace
}  // namespace lathe::infer
