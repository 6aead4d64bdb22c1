// lathe eval on multiple-choice benchmarks, run as a program.
#include <doctest/doctest.h>

#include <cmath>

#include "base/atomic_file.h"
#include "cli/model_files.h"
#include "support/shared_data.h"

using namespace lathe;
using namespace lathe::test;

namespace {

// Three questions in the form of OpenBookQA, short enough for the tiny model's context.
struct Questions {
  explicit Questions(const ModelFiles& m) : data(m.dir.file("bench")) {
    std::filesystem::create_directories(data + "/openbookqa");
    std::string lines;
    const char* const rows[][3] = {{"one", "a", "bb"}, {"two", "ccc", "d"}, {"three", "e", "e f"}};
    for (const auto& row : rows) {
      Json line;
      line["question"]["stem"] = row[0];
      line["question"]["choices"] = {{{"text", row[1]}, {"label", "A"}},
                                     {{"text", row[2]}, {"label", "B"}}};
      line["answerKey"] = "B";
      lines += line.dump() + "\n";
    }
    write_file(file(), lines);
  }
  std::string file() const { return data + "/openbookqa/test.jsonl"; }
  std::string data;
};

ProgramResult eval(const ModelFiles& m, const Questions& q, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {
      "eval", m.path, "--tasks", "openbookqa", "--data", q.data,
  };
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_lathe(arguments);
}

// ln p(continuation | context) by the oracle.
double oracle(const ModelFiles& m, const std::string& context, const std::string& continuation) {
  std::vector<int32_t> all;
  for (const char c : context + continuation) all.push_back(static_cast<unsigned char>(c));
  const Matrix logits = ReferenceModel(m.spec, m.weights).logits(all);
  double sum = 0;
  for (size_t i = context.size(); i < all.size(); ++i) {
    double total = 0;
    for (const double z : logits[i - 1]) total += std::exp(z);
    sum += logits[i - 1][static_cast<size_t>(all[i])] - std::log(total);
  }
  return sum;
}

std::vector<Json> lines_of(const std::string& path) {
  std::vector<Json> lines;
  const std::string text = read_file(path);
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    lines.push_back(Json::parse(text.substr(at, text.find('\n', at) - at)));
  }
  return lines;
}

}  // namespace

TEST_CASE("eval of a benchmark: log-likelihoods of an oracle, and the figures that follow") {
  for (const TopologyKind kind : {TopologyKind::kGpt, TopologyKind::kPgpt}) {
    const ModelFiles m(kind);
    const Questions q(m);
    const std::string items = m.dir.file("items.jsonl");
    const ProgramResult result = eval(m, q, {"--json", "--items", items});
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    const Json json = Json::parse(result.out).at("tasks").at("openbookqa");
    const std::vector<Json> lines = lines_of(items);
    REQUIRE(lines.size() == 3);
    const char* const stems[] = {"one", "two", "three"};
    const char* const choices[][2] = {{" a", " bb"}, {" ccc", " d"}, {" e", " e f"}};
    double acc = 0, acc_norm = 0, bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      const auto got = lines[i].at("log_likelihoods").get<std::vector<double>>();
      double want[2];
      for (size_t c = 0; c < 2; ++c) {
        want[c] = oracle(m, stems[i], choices[i][c]);
        CHECK(got[c] == doctest::Approx(want[c]).epsilon(1e-4));
      }
      const auto n = [&](size_t c) { return static_cast<double>(strlen(choices[i][c])) - 1; };
      acc += want[1] > want[0];
      acc_norm += want[1] / n(1) > want[0] / n(0);
      bits -= want[1] / std::log(2.0) / (n(1) + 1);
    }
    CHECK(json.at("n") == 3);
    CHECK(json.at("acc").get<double>() == doctest::Approx(acc / 3));
    CHECK(json.at("acc_norm").get<double>() == doctest::Approx(acc_norm / 3));
    CHECK(json.at("bits_per_byte").get<double>() == doctest::Approx(bits / 3).epsilon(1e-4));
    for (const char* name :
         {"acc_stderr", "acc_norm_stderr", "acc_token_norm_stderr", "bits_per_byte_stderr"}) {
      CHECK(json.contains(name));
    }
    CHECK(json.at("split") == "test");
    CHECK(has(result.err, "3 items are not openbookqa's test split of 500"));
  }
}

TEST_CASE("eval of a benchmark: a table for people, beside perplexity") {
  const ModelFiles m;
  const Questions q(m);
  write_file(m.dir.file("text"), "text");
  const ProgramResult result =
      run_lathe({"eval", m.path, "--tasks", "openbookqa,perplexity:" + m.dir.file("text"), "--data",
                 q.data, "--limit", "2"});
  CHECK(result.status == 0);
  CHECK(has(result.out, "perplexity:" + m.dir.file("text") + "  nll_per_token"));
  CHECK(has(result.out, "acc_token_norm"));
  CHECK(has(result.out, "openbookqa  2"));
}

TEST_CASE("eval --dump-requests: a line a choice, without a model") {
  const ModelFiles m;
  const Questions q(m);
  const std::string file = m.dir.file("requests");
  const std::vector<std::string> base = {"eval", "--data", q.data, "--dump-requests",
                                         file,   "--tasks"};
  auto arguments = base;
  arguments.push_back("openbookqa");
  REQUIRE(run_lathe(arguments).status == 0);
  const std::vector<Json> lines = lines_of(file);
  REQUIRE(lines.size() == 6);
  CHECK(lines[3].dump() == R"({"doc":1,"choice":1,"context":"two","continuation":" d","gold":1})");
  arguments.insert(arguments.end(), {"--shots", "2"});
  REQUIRE(run_lathe(arguments).status == 0);
  const std::string shown = lines_of(file)[0].at("context").get<std::string>();
  CHECK(shown.ends_with("\n\none"));
  CHECK((has(shown, "two d\n\n") && has(shown, "three e f\n\n")));
  std::filesystem::remove(file);
  write_file(q.file(), read_file(q.file()).substr(0, 200));
  arguments = base;
  arguments.push_back("openbookqa");
  check_refused(run_lathe(arguments), 1, {"not valid JSON"});
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("eval --against: both models' figures, and the difference of each item") {
  const ModelFiles a;
  const ModelFiles b(TopologyKind::kPgpt);
  const Questions q(a);
  const ProgramResult result = eval(a, q, {"--against", b.path, "--json"});
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  const Json json = Json::parse(result.out).at("tasks").at("openbookqa");
  const Json other = Json::parse(eval(b, q, {"--json"}).out).at("tasks").at("openbookqa");
  for (const char* figure : {"acc", "bits_per_byte"}) {
    CHECK(json.at("against").at(figure).get<double>() ==
          doctest::Approx(other.at(figure).get<double>()).epsilon(1e-6));
    CHECK(json.at("difference").at(figure).get<double>() ==
          doctest::Approx(json.at(figure).get<double>() - other.at(figure).get<double>())
              .epsilon(1e-6));
    CHECK(json.at("difference").at(std::string(figure) + "_stderr").is_number());
  }
  const Json same = Json::parse(eval(a, q, {"--against", a.path, "--json"}).out)
                        .at("tasks")
                        .at("openbookqa")
                        .at("difference");
  CHECK(same.at("bits_per_byte") == 0);
  CHECK(same.at("bits_per_byte_stderr") == 0);
  const ProgramResult table = eval(a, q, {"--against", b.path});
  CHECK(has(table.out, "  difference"));
}

TEST_CASE("eval --items: goes on with its file and refuses another model's") {
  const ModelFiles m;
  const Questions q(m);
  const std::string items = m.dir.file("items.jsonl");
  REQUIRE(eval(m, q, {"--items", items, "--limit", "1"}).status == 0);
  const std::string first = read_file(items);
  const ProgramResult whole = eval(m, q, {"--items", items, "--json"});
  REQUIRE(whole.status == 0);
  CHECK(read_file(items).starts_with(first));
  CHECK(lines_of(items).size() == 3);
  const std::string all = read_file(items);
  CHECK(eval(m, q, {"--items", items, "--json"}).out == whole.out);  // nothing is left to ask
  CHECK(read_file(items) == all);
  ModelFiles other;
  other.weights.begin()->second[0] += 1;
  write_model(other.spec, other.weights, other.path);
  check_refused(eval(other, q, {"--items", items}), 1, {items, "holds items of openbookqa"});
  CHECK(read_file(items) == all);
  check_refused(eval(m, q, {"--items", items, "--shots", "1"}), 1, {"0 shots"});
  write_file(m.dir.file("text"), "text");
  check_refused(run_lathe({"eval", m.path, "--tasks", "perplexity:" + m.dir.file("text"), "--items",
                           m.dir.file("none")}),
                1, {"--items is for benchmarks"});
  CHECK_FALSE(std::filesystem::exists(m.dir.file("none")));
}

TEST_CASE("eval --protocol gpt-variations: the invalid score, and it is called that") {
  const ModelFiles m;
  std::filesystem::create_directories(m.dir.file("bench/copa"));
  write_file(m.dir.file("bench/copa/val.jsonl"),
             R"({"premise":"a","choice1":"b","choice2":"cc","question":"cause","label":0})"
             "\n");
  const std::vector<std::string> arguments = {"eval",       m.path,          "--tasks",
                                              "copa",       "--data",        m.dir.file("bench"),
                                              "--protocol", "gpt-variations"};
  const ProgramResult table = run_lathe(arguments);
  CAPTURE(table.err);
  CHECK(table.status == 0);
  CHECK(has(table.out, "it is not valid"));
  auto json = arguments;
  json.push_back("--json");
  const Json result = Json::parse(run_lathe(json).out).at("tasks").at("copa");
  CHECK(result.at("protocol") == "gpt-variations");
  CHECK(has(result.at("invalid").get<std::string>(), "whole vocabulary"));
  CHECK_FALSE(result.contains("bits_per_byte"));
}

TEST_CASE("eval of benchmarks: wrong usage exits with 2, wrong files with 1, and one line") {
  const ModelFiles m;
  const Questions q(m);
  check_refused(run_lathe({"eval", m.path, "--tasks", "openbookqa"}), 2, {"--data"});
  check_refused(run_lathe({"eval", "--tasks", "openbookqa", "--data", q.data}), 2, {"MODEL"});
  check_refused(eval(m, q, {"--protocol", "other"}), 2);
  check_refused(eval(m, q, {"--shots", "-1"}), 2);
  check_refused(eval(m, q, {"--dump-requests", m.dir.file("r"), "--items", "i"}), 2);
  check_refused(run_lathe({"eval", "--tasks", "perplexity:x", "--dump-requests", "r"}), 2);
  check_refused(eval(m, q, {"--against", m.dir.file("none")}), 1, {"none"});
  check_refused(eval(m, q, {"--shots", "9"}), 1, {"9 examples are asked for, and there are 2"});
  check_refused(run_lathe({"eval", m.path, "--tasks", "openbookqa:x", "--data", q.data}), 1,
                {"takes no argument"});
  check_refused(run_lathe({"eval", m.path, "--tasks", "openbokqa", "--data", q.data}), 1,
                {"did you mean 'openbookqa'?"});
  check_refused(run_lathe({"eval", m.path, "--tasks", "piqa", "--data", q.data}), 1,
                {"no valid.jsonl in", "piqa"});
}

// Log-likelihoods that lm_eval 0.4.13 gave on transformers 5.24 in f32, of items 0, 7 and 23.
TEST_CASE("eval: log-likelihoods and predictions of a trained model are lm_eval's") {
  const std::string data = shared_path("data/benchmarks");
  const std::string checkpoint = shared_path("data/checkpoints/stories260K.bin");
  const std::string tokenizer = shared_path("data/checkpoints/tok512.bin");
  if (data.empty() || checkpoint.empty() || tokenizer.empty()) return;
  const TempDir dir;
  REQUIRE(
      run_lathe({"import", checkpoint, "--tokenizer", tokenizer, "--out", dir.file("m")}).status ==
      0);
  const Json stored =
      Json::parse(read_file(std::string(LATHE_SOURCE_DIR) + "/tests/cli/lm_eval_scores.json"));
  std::string tasks;
  for (const auto& [task, items] : stored.items()) tasks += (tasks.empty() ? "" : ",") + task;
  REQUIRE(run_lathe({"eval", dir.file("m"), "--tasks", tasks, "--data", data, "--limit", "24",
                     "--items", dir.file("items")})
              .status == 0);
  int n = 0;
  for (const Json& line : lines_of(dir.file("items"))) {
    const Json& task = stored.at(line.at("task").get<std::string>());
    const auto want = task.find(line.at("doc").dump());
    if (want == task.end()) continue;
    CAPTURE(line.dump());
    const auto got = line.at("log_likelihoods").get<std::vector<double>>();
    const auto expected = want->get<std::vector<double>>();
    REQUIRE(got.size() == expected.size());
    for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - expected[i]) < 1e-3);
    const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
    CHECK(line.at("predictions").at("acc") == best);
    ++n;
  }
  CHECK(n == 27);
}
