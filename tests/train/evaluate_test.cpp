// Validation while training against `lathe eval` on the checkpoint: one rule, the same numbers.
#include <cmath>

#include "support/error_text.h"
#include "support/tiny_bpe.h"
#include "train/model_scorer.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;

namespace {

// Validation that begins in English, where a token is up to 3 bytes, and goes on in Chinese, where
// it is one: the share of a token says nothing of the part's.
void prepare_two_languages(const std::string& folder) {
  std::filesystem::create_directories(folder);
  const auto tokenizer =
      parse_tokenizer_json(test::tiny_bpe_json({{"t", "h"}, {"th", "e"}}).dump(), "t");
  DatasetWriter writer(folder, *tokenizer, 1e-9, 1000);  // the least hash is for validation
  const auto add = [&](const std::string& text, uint64_t hash) {
    writer.add_document(tokenizer->encode(text), static_cast<i64>(text.size()), hash);
  };
  add(small_text(3000), 1);
  std::string text;
  for (int i = 0; i < 100; ++i) text += "the";
  for (int i = 0; i < 50; ++i) text += "中";
  add(text, 0);
  writer.finish();
}

Json last_validation(const std::string& run) {
  std::istringstream in(read_text_file(run + "/metrics.jsonl"));
  Json last;
  for (std::string line; std::getline(in, line);) {
    const Json object = Json::parse(line);
    if (object.contains("val_loss")) last = object;
  }
  return last;
}

Json evaluated(const std::string& run, const std::string& data, const std::string& limit) {
  const auto result =
      test::run_lathe({"eval", run, "--tasks", "perplexity:" + data, "--limit", limit, "--json"});
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  return Json::parse(result.out).at("tasks").begin().value();
}

}  // namespace

TEST_CASE("training's validation and lathe eval print the same loss and bits per byte") {
  const test::TempDir dir;
  const std::string data = dir.file("data"), run_file = write_run(dir.path());
  prepare_two_languages(data);
  struct Part {
    const char *eval_tokens, *limit;
    i64 n_tokens, n_bytes;
  };
  // Windows of 16 of 1 + 100 + 150 tokens: 15 whole ones, and one of 10 with a context of 6.
  for (const Part& part : {Part{"80", "5", 80, 240}, Part{"100000", "100", 250, 450}}) {
    CAPTURE(part.eval_tokens);
    const std::string out = dir.file(part.limit);
    const auto trained =
        test::run_program(train_command(run_file, out, data,
                                        {"--set", "steps=20", "--set", "model.vocab_size=259",
                                         "--set", std::string("eval_tokens=") + part.eval_tokens}));
    CAPTURE(trained.err);
    REQUIRE(trained.status == 0);
    CHECK(test::contains(trained.err, format("({} tokens)", part.n_tokens)));
    const Json validation = last_validation(out), eval = evaluated(out, data, part.limit);
    const double loss = validation.at("val_loss").get<double>();
    const double bits = validation.at("val_bits_per_byte").get<double>();
    CHECK(eval.at("n_tokens") == part.n_tokens);
    CHECK(eval.at("nll_per_token").get<double>() == doctest::Approx(loss).epsilon(1e-4));
    CHECK(eval.at("bits_per_byte").get<double>() == doctest::Approx(bits).epsilon(1e-4));
    CHECK(bits == doctest::Approx(loss * static_cast<double>(part.n_tokens) / std::log(2.0) /
                                  static_cast<double>(part.n_bytes))
                      .epsilon(1e-9));
  }
}
