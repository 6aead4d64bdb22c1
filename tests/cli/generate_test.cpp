// lathe generate, run as a program.
#include <doctest/doctest.h>

#include "cli/model_files.h"
#include "run/run_directory.h"

using namespace lathe;
using namespace lathe::test;

namespace {

ProgramResult generate(const ModelFiles& m, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"generate", m.path, "--prompt", "ab"};
  if (std::find(more.begin(), more.end(), "--max-tokens") == more.end()) {
    arguments.insert(arguments.end(), {"--max-tokens", "6"});
  }
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_lathe(arguments);
}

Json generate_json(const ModelFiles& m, std::vector<std::string> more) {
  more.push_back("--json");
  const ProgramResult result = generate(m, more);
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  return Json::parse(result.out);
}

// The most likely continuation by the oracle, up to an end of text.
std::vector<int32_t> greedy(const ModelFiles& m, std::vector<int32_t> tokens, size_t n,
                            int path = -1) {
  ReferenceModel oracle(m.spec, m.weights);
  std::vector<int32_t> made;
  while (made.size() < n) {
    const std::vector<double> row = oracle.logits(tokens, path).back();
    const auto best = static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
    if (best == 256) break;
    made.push_back(best);
    tokens.push_back(best);
  }
  return made;
}

}  // namespace

TEST_CASE("generate: at temperature 0 the most likely tokens, as an oracle finds them") {
  const ModelFiles m;
  const std::vector<int32_t> expected = greedy(m, {'a', 'b'}, 6);
  REQUIRE(expected.size() >= 3);
  const Json json = generate_json(m, {"--temperature", "0"});
  CHECK(json.at("tokens").get<std::vector<int32_t>>() == expected);
  CHECK(json.at("prompt_tokens") == 2);
  CHECK(json.at("stop_reason") == (expected.size() == 6 ? "length" : "end_of_text"));
  // Without a prompt: the start of a document.
  const ProgramResult start =
      run_lathe({"generate", m.path, "--max-tokens", "4", "--temperature", "0", "--json"});
  CHECK(Json::parse(start.out).at("tokens").get<std::vector<int32_t>>() == greedy(m, {256}, 4));
}

TEST_CASE("generate: begin_token comes first, and any of end_tokens ends a text") {
  ModelFiles m;
  const auto retell = [&] { write_model(m.spec, m.weights, m.path); };
  m.spec.begin_token = 7;
  retell();
  const std::vector<int32_t> expected = greedy(m, {7, 'a', 'b'}, 6);
  REQUIRE(expected.size() >= 3);
  Json json = generate_json(m, {"--temperature", "0"});
  CHECK(json.at("tokens").get<std::vector<int32_t>>() == expected);
  CHECK(json.at("prompt_tokens") == 3);
  m.spec.end_tokens = {200, expected[2]};
  retell();
  json = generate_json(m, {"--temperature", "0"});
  const auto end = std::find(expected.begin(), expected.end(), expected[2]);
  CHECK(json.at("tokens").get<std::vector<int32_t>>() == std::vector(expected.begin(), end));
  CHECK(json.at("stop_reason") == "end_of_text");
}

TEST_CASE("generate --special: a special token that the prompt spells is that token") {
  const ModelFiles m;
  const auto tokens = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "generate", m.path,         "--prompt", "a<|endoftext|>b", "--temperature",
        "0",        "--max-tokens", "4",        "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Json::parse(run_lathe(arguments).out);
  };
  CHECK(tokens({"--special"}).at("prompt_tokens") == 3);
  CHECK(tokens({"--special"}).at("tokens").get<std::vector<int32_t>>() ==
        greedy(m, {'a', 256, 'b'}, 4));
  CHECK(tokens({}).at("prompt_tokens") == 15);
}

TEST_CASE("generate --path best: the one path with the largest weight") {
  const ModelFiles m(TopologyKind::kPgpt);
  const int best = m.weights.at(kGate)[0] > 0 ? 0 : 1;
  CHECK(generate_json(m, {"--temperature", "0", "--path", "best"})
            .at("tokens")
            .get<std::vector<int32_t>>() == greedy(m, {'a', 'b'}, 6, best));
  CHECK(generate_json(m, {"--temperature", "0"}).at("tokens").get<std::vector<int32_t>>() ==
        greedy(m, {'a', 'b'}, 6));
}

TEST_CASE("generate and eval refuse --path best where the model has no paths, in the same words") {
  for (const TopologyKind kind : {TopologyKind::kGpt, TopologyKind::kLgpt, TopologyKind::kCgpt}) {
    ModelFiles m;
    m.spec.topology.kind = kind;
    m.spec.tie_embeddings = false;
    m.weights = random_weights(make_plan(m.spec), 5);
    write_model(m.spec, m.weights, m.path);
    write_file(m.dir.file("text"), "text");
    const ProgramResult made = generate(m, {"--path", "best"});
    check_refused(made, 1, {m.path, "this model has no paths"});
    CHECK(
        run_lathe({"eval", m.path, "--tasks", "perplexity:" + m.dir.file("text"), "--path", "best"})
            .err == made.err);
    CHECK(generate(m, {"--path", "all"}).status == 0);
  }
}

TEST_CASE("every whole number beyond 64 bits, or none, is a usage error") {
  const ModelFiles m;
  write_file(m.dir.file("text"), "text");
  const std::string text = m.dir.file("text");
  const std::vector<std::vector<std::string>> commands = {
      {"generate", m.path, "--seed"},
      {"generate", m.path, "--max-tokens"},
      {"generate", m.path, "--top-k"},
      {"generate", m.path, "--repeat-last-n"},
      {"generate", m.path, "--threads"},
      {"eval", m.path, "--tasks", "perplexity:" + text, "--limit"},
      {"describe", "gpt2-s", "--tokens"},
      {"describe", "gpt2-s", "--batch-tokens"},
      {"tokenizer", "train", "--out", m.dir.file("t.json"), text, "--vocab-size"},
      {"tokenizer", "train", "--out", m.dir.file("t.json"), text, "--vocab-size", "300",
       "--threads"},
      {"data", "prepare", "--tokenizer", "bytes", "--out", m.dir.file("d"), text, "--threads"},
      {"data", "prepare", "--tokenizer", "bytes", "--out", m.dir.file("d"), text,
       "--shard-tokens"}};
  for (std::vector<std::string> command : commands) {
    CAPTURE(command.back());
    command.emplace_back();
    for (const char* value : {"9223372036854775808", "18446744073709551616", "-9223372036854775809",
                              "1.5", "1e3", "0x10", "12a"}) {
      command.back() = value;
      // describe takes tokens as papers write them, 2.2e9 too.
      if (command[0] == "describe" && value == std::string("1e3")) continue;
      check_refused(run_lathe(command), 2, {command[command.size() - 2], value});
    }
  }
  CHECK(generate(m, {"--seed", "9223372036854775807"}).status == 0);
  CHECK(generate(m, {"--seed", "-9223372036854775808"}).status == 0);
}

TEST_CASE("generate: the same seed gives the same text, another one another") {
  const ModelFiles m;
  const std::vector<std::string> seed_1 = {"--seed", "1", "--max-tokens", "30"};
  const Json one = generate_json(m, seed_1);
  CHECK(generate_json(m, seed_1).at("tokens") == one.at("tokens"));
  CHECK(generate_json(m, {"--seed", "2", "--max-tokens", "30"}).at("tokens") != one.at("tokens"));
}

TEST_CASE("generate: plain output is the text and a line end, with --echo behind the prompt") {
  const ModelFiles m;
  const std::vector<std::string> cold = {"--temperature", "0"};
  const std::string text = generate_json(m, cold).at("text").get<std::string>();
  const ProgramResult plain = generate(m, cold);
  CHECK(plain.out == text + "\n");
  CHECK(has(plain.err, "prompt: 2 tokens"));
  CHECK(generate(m, {"--temperature", "0", "--echo"}).out == "ab" + text + "\n");
}

TEST_CASE("generate: --stop ends the text before it, the context ends it at its length") {
  ModelFiles m;
  // A head of zeros: all tokens are as likely, at temperature 0 the first is taken each time.
  m.spec.tie_embeddings = false;
  m.weights = random_weights(make_plan(m.spec), 5);
  for (float& w : m.weights.at(kHead)) w = 0;
  write_model(m.spec, m.weights, m.path);
  const Json json = generate_json(m, {"--temperature", "0", "--max-tokens", "0"});
  CHECK(json.at("stop_reason") == "context");
  // The last token is not fed, so it does not need room.
  CHECK(json.at("tokens").size() == static_cast<size_t>(m.spec.context_length) - 2 + 1);
  const Json drawn = generate_json(m, {"--seed", "3", "--max-tokens", "30"});
  const std::string text = drawn.at("text").get<std::string>();
  const size_t at = text.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  REQUIRE(at != std::string::npos);
  const Json stopped = generate_json(
      m, {"--seed", "3", "--max-tokens", "30", "--stop", text.substr(at, 1), "--stop", "none"});
  CHECK(stopped.at("text") == text.substr(0, at));
  CHECK(stopped.at("stop_reason") == "stop");
}

TEST_CASE("generate: a run directory is its newest whole checkpoint; a damaged one is said") {
  const ModelFiles m;
  const TempDir dir;
  RunDirectory run(dir.file("run"));
  for (const i64 step : {1, 2}) {
    run.publish(step, [&](const std::string& folder) {
      std::filesystem::copy(m.path, folder, std::filesystem::copy_options::recursive);
    });
  }
  const std::vector<std::string> arguments = {"generate", dir.file("run"), "--prompt",
                                              "a",        "--temperature", "0"};
  const ProgramResult good = run_lathe(arguments);
  CHECK(good.status == 0);
  CHECK(!has(good.err, "damaged"));
  std::filesystem::resize_file(run.checkpoint(2) + "/model.safetensors", 100);
  const ProgramResult older = run_lathe(arguments);
  CHECK(older.status == 0);
  CHECK(has(older.err, "step-2 is damaged"));
  CHECK(older.out == good.out);
}

TEST_CASE("generate: every kind of broken model is one line that names the file") {
  check_bad_models([](const ModelFiles& m) {
    return std::vector<std::string>{"generate", m.path, "--prompt", "a"};
  });
}

TEST_CASE("generate: wrong values exit with 1 and one line") {
  const ModelFiles m;
  const std::string bad_tokenizer = m.dir.file("tokenizer.json");
  write_file(bad_tokenizer, tiny_bpe_json({{"a", "b"}}).dump());
  const struct {
    std::vector<std::string> more, parts;
  } cases[] = {
      {{"--temperature", "-1"}, {"temperature is -1", "0 or more"}},
      {{"--temperature", "nan"}, {"temperature"}},
      {{"--top-k", "-1"}, {"top_k is -1"}},
      {{"--top-p", "0"}, {"top_p is 0"}},
      {{"--min-p", "2"}, {"min_p is 2"}},
      {{"--repeat-penalty", "0"}, {"repeat_penalty is 0"}},
      {{"--repeat-last-n", "-1"}, {"repeat_last_n is -1"}},
      {{"--stop", ""}, {"empty stop string"}},
      {{"--tokenizer", bad_tokenizer}, {"tokenizer.json", "258 ids", "257"}},
      {{"--tokenizer", m.dir.file("none")}, {"does not exist"}},
  };
  for (const auto& c : cases) check_refused(generate(m, c.more), 1, c.parts);
  check_refused(run_lathe({"generate", m.path, "--prompt", std::string(60, 'x')}), 1,
                {"60 tokens", "48"});
}

TEST_CASE("generate: a full disk is an error") {
  const ModelFiles m;
  const std::vector<std::string> arguments = {"generate", m.path, "--prompt", "a"};
  check_refused(run_to_full_disk(arguments), 1, {"No space left on device"});
}

TEST_CASE("generate: a wrong usage exits with 2 and one line") {
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{},
                                             {"m", "more"},
                                             {"m", "--bogus"},
                                             {"m", "--prompt"},
                                             {"m", "--max-tokens", "-1"},
                                             {"m", "--max-tokens", "many"},
                                             {"m", "--temperature", "hot"},
                                             {"m", "--threads", "0"},
                                             {"m", "--seed", "x"},
                                             {"m", "--path", "worst"}}) {
    std::vector<std::string> arguments = {"generate"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    CAPTURE(arguments.back());
    check_refused(run_lathe(arguments), 2);
  }
}
