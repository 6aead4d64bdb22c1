#include "eval/tasks.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;
using test::contains;

namespace {

// Every token has probability 1/4.
class QuarterScorer : public Scorer {
 public:
  i64 context_length() const override { return 8; }
  std::vector<Score> score(std::span<const Request> requests, bool) override {
    std::vector<Score> scores;
    for (const Request& r : requests) {
      scores.push_back({-std::log(4.0) * static_cast<double>(r.continuation.size()), false});
    }
    return scores;
  }
};

}  // namespace

TEST_CASE("tasks: perplexity of a text needs no engine, only scores") {
  const test::TempDir dir;
  write_file_atomically(dir.file("text"), "twenty bytes of text");
  const auto tokenizer = make_byte_tokenizer();
  int heard = 0;
  const TaskInput input{.tokenizer = *tokenizer,
                        .vocab_size = 257,
                        .limit = 0,
                        .on_progress = [&](const std::string&) { ++heard; }};
  QuarterScorer scorer;
  const AskedTask asked = parse_task("perplexity:" + dir.file("text"));
  const Json result = asked.task->run(scorer, input, asked.argument);
  CHECK(result.at("ppl").get<double>() == doctest::Approx(4));
  CHECK(result.at("bits_per_byte").get<double>() == doctest::Approx(2));
  CHECK(result.at("n_tokens") == 20);
  CHECK(heard == 3);  // windows of 8
}

TEST_CASE(
    "tasks: windows of perplexity are as short as asked for, and no longer than the context") {
  const test::TempDir dir;
  write_file_atomically(dir.file("text"), "twenty bytes of text");
  const auto tokenizer = make_byte_tokenizer();
  int heard = 0;
  TaskInput input{.tokenizer = *tokenizer,
                  .vocab_size = 257,
                  .window = 5,
                  .on_progress = [&](const std::string&) { ++heard; }};
  QuarterScorer scorer;
  const AskedTask asked = parse_task("perplexity:" + dir.file("text"));
  CHECK(asked.task->run(scorer, input, asked.argument).at("n_tokens") == 20);
  CHECK(heard == 4);
  input.window = 9;
  CHECK(contains(test::error_text([&] { asked.task->run(scorer, input, asked.argument); }),
                 "--window is 9, expected at most the model's context of 8 tokens"));
}

TEST_CASE("tasks: an unknown task, and one without its argument, are Errors that say which") {
  const auto error = [](const std::string& text) {
    return test::error_text([&] { parse_task(text); });
  };
  CHECK(contains(error("perplexty:x"), "'perplexty'; did you mean 'perplexity'?"));
  CHECK(contains(error("perplexity"), "perplexity:FILE|SHARDS"));
  CHECK(error("perplexity:a:b") == "");
  CHECK(parse_task("perplexity:a:b").argument == "a:b");
}
