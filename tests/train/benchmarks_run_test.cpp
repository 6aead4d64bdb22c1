// Benchmarks scored while a model trains, against lathe eval on its checkpoint.
#include <doctest/doctest.h>

#include "support/error_text.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;

namespace {

// PIQA's two files with n questions.
void write_piqa(const std::string& folder, int n) {
  std::filesystem::create_directories(folder + "/piqa");
  std::ofstream items(folder + "/piqa/valid.jsonl"), labels(folder + "/piqa/valid-labels.lst");
  for (int i = 0; i < n; ++i) {
    const Json item = {{"goal", format("where {} cats", i)},
                       {"sol1", i % 3 ? "on a mat" : "and ran"},
                       {"sol2", format("sat {}", i)}};
    items << item.dump() << "\n";
    labels << i % 2 << "\n";
  }
}

}  // namespace

TEST_CASE("benchmarks in training: figures of the steps asked for, those of lathe eval") {
  const test::TempDir folder;
  prepare(folder.file("data"), small_text(6000), 2000);
  write_piqa(folder.file("tasks"), 12);
  const std::string run = write_run(folder.path());
  const auto result = test::run_program(train_command(
      run, folder.file("out"), folder.file("data"),
      {"--set", "model.context_length=64", "--set", "steps=12", "--set", "checkpoint_every=8",
       "--set", "benchmarks.tasks=[\"piqa\"]", "--set", "benchmarks.data=" + folder.file("tasks"),
       "--set", "benchmarks.items=9", "--set", "benchmarks.every=8"}));
  REQUIRE_MESSAGE(result.status == 0, result.err);
  std::map<i64, Json> scored;
  std::istringstream lines(read_text_file(folder.file("out") + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json object = Json::parse(line);
    if (object.contains("task")) scored[object["step"].get<i64>()] = object;
  }
  REQUIRE(scored.size() == 2);
  for (const i64 step : {8, 12}) {
    const auto eval = test::run_program(
        {LATHE_BIN_DIR "/lathe", "eval", folder.file("out") + format("/checkpoints/step-{}", step),
         "--tasks", "piqa", "--data", folder.file("tasks"), "--limit", "9", "--json"});
    REQUIRE_MESSAGE(eval.status == 0, eval.err);
    const Json expected = Json::parse(eval.out)["tasks"]["piqa"];
    CHECK(scored.at(step)["task"] == "piqa");
    CHECK(scored.at(step)["n"] == 9);
    for (const char* figure : {"acc", "acc_norm", "bits_per_byte", "bits_per_byte_stderr"}) {
      CAPTURE(figure);
      CHECK(scored.at(step)[figure].get<double>() ==
            doctest::Approx(expected[figure].get<double>()).epsilon(1e-4));
    }
  }
  // A report still reads the log.
  const auto report = test::run_program({LATHE_BIN_DIR "/lathe", "report", folder.file("out"),
                                         "--json", "--out", folder.file("page.html")});
  CHECK_MESSAGE(report.status == 0, report.err);
}

TEST_CASE(
    "benchmarks in training: what is not there, or no benchmark, is refused before training") {
  const test::TempDir folder;
  prepare(folder.file("data"), small_text(6000), 2000);
  write_piqa(folder.file("tasks"), 3);
  const std::string run = write_run(folder.path());
  const struct {
    std::string tasks, data, why;
  } cases[] = {{"[\"piqq\"]", folder.file("tasks"), "did you mean 'piqa'"},
               {"[\"copa\"]", folder.file("tasks"), "copa"},
               {"[\"perplexity:x.txt\"]", folder.file("tasks"), "multiple-choice"},
               {"[\"piqa\"]", "", "benchmarks.data is not"}};
  for (const auto& bad : cases) {
    const auto result = test::run_program(train_command(
        run, folder.file("out"), folder.file("data"),
        {"--set", "benchmarks.tasks=" + bad.tasks, "--set", "benchmarks.data=" + bad.data}));
    CHECK(result.status == 1);
    CHECK_MESSAGE(test::contains(result.err, bad.why), result.err);
    CHECK(!std::filesystem::exists(folder.file("out") + "/checkpoints"));
  }
}
