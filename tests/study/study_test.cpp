#include "study/study.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "base/atomic_file.h"
#include "report/planted_runs.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;
using namespace lathe::study;
using lathe::test::contains;
using lathe::test::error_text;
using lathe::test::TempDir;
using lathe::test::write_text;

namespace {

const char* const kGrid = R"(
out = "o"
seeds = [3, 7]
axes = ["size", "kind", "rate"]
[[size]]
name = "a"
set = { "model.d_model" = 64 }
[[size]]
name = "b"
[[kind]]
name = "dense"
[[kind]]
name = "low"
only = { size = ["b"] }
[[rate]]
name = "r1"
[[rate]]
name = "r2"
)";

// kGrid with `from` made `to`.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = kGrid;
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& toml) {
  return error_text([&] { parse_study(toml, "s.toml"); });
}

std::vector<std::string> cell_names(const std::vector<Contest>& contests) {
  std::vector<std::string> names;
  for (const Contest& contest : contests) {
    for (const Cell& cell : contest.cells) names.push_back(cell.name);
  }
  return names;
}

// A study over prepared data, in a folder of its own.
struct Planted {
  TempDir dir;
  Planted() {
    std::filesystem::create_directories(dir.file("data"));
    write_text(dir.file("data/dataset.json"),
               R"({"tokenizer":"bytes","vocab_size":257,"train":{"tokens":9,"bytes":9,)"
               R"("documents":1},"val":{"tokens":9,"bytes":9,"documents":1}})");
    write_text(dir.file("base.toml"),
               "steps = 20\n[model]\nvocab_size = 257\ncontext_length = 32\nd_model = 64\n"
               "n_layers = 3\nn_heads = 4\nn_kv_heads = 4\nd_head = 16\nd_ff = 256\n"
               "ffn_linear = {kind = \"low_rank\", rank = 16}\n[data]\npath = \"" +
                   dir.file("data") + "\"\nmicro_batch = 2\nglobal_batch = 4\n");
  }
  // One axis `v` with one value `x`, and an axis `w` with `y`.
  std::string study(const std::string& set, const std::string& other = "") const {
    return "out = \"" + dir.file("o") + "\"\nrun = \"base.toml\"\naxes = [\"v\", \"w\"]\n[[v]]\n" +
           "name = \"x\"\nset = {" + set + "}\n[[w]]\nname = \"y\"\nset = {" + other + "}\n";
  }
  StudyRuns resolve(const std::string& toml) const {
    const Study parsed = parse_study(toml, "s.toml");
    return resolve_runs(parsed, study_contests(parsed), dir.file("s.toml"));
  }
  // What is said against it, after the folder's name.
  std::string refusal_of(const std::string& toml) const {
    const std::string text = error_text([&] { resolve(toml); });
    return text.starts_with(dir.path() + "/") ? text.substr(dir.path().size() + 1) : text;
  }
};

}  // namespace

TEST_CASE(
    "study: the grid is the product of the axes, the last the fastest, less what only forbids") {
  const Study study = parse_study(kGrid, "s.toml");
  const auto contests = study_contests(study);
  CHECK(cell_names(contests) == std::vector<std::string>{"a-dense-r1", "a-dense-r2", "b-dense-r1",
                                                         "b-dense-r2", "b-low-r1", "b-low-r2"});
  CHECK(contests.size() == 6);
  CHECK(count_runs(study, contests) == 12);
  CHECK(run_name(contests[4].cells[0], 7) == "b-low-r1-s7");
  CHECK(contests[4].cells[0].values == std::vector<size_t>{1, 1, 0});
}

TEST_CASE(
    "study: with best, values of that axis are one contest, and one of them gets every seed") {
  const Study study = parse_study(changed("seeds", "best = \"kind\"\nseeds"), "s.toml");
  const auto contests = study_contests(study);
  REQUIRE(contests.size() == 4);
  CHECK(contests[0].name == "a-r1");
  CHECK(contests[0].cells.size() == 1);  // low is for b only
  CHECK(contests[3].name == "b-r2");
  CHECK(contests[3].cells[1].name == "b-low-r2");
  CHECK(count_runs(study, contests) == 6 + 4);
}

TEST_CASE("study: the best is the least finite loss") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  CHECK(choose_best(std::vector<double>{2, 1, 1}) == 1);
  CHECK(choose_best(std::vector<double>{kNan, 3}) == 1);
  CHECK(choose_best(std::vector<double>{-HUGE_VAL, 3}) == 1);
  CHECK_FALSE(choose_best(std::vector<double>{kNan, HUGE_VAL}));
}

TEST_CASE("study: without axes the runs are the seeds") {
  const Study study = parse_study("out = \"o\"\nseeds = [1, 2]\n", "s.toml");
  const auto contests = study_contests(study);
  REQUIRE(contests.size() == 1);
  CHECK(run_name(contests[0].cells[0], 2) == "s2");
}

TEST_CASE("study: what is wrong with a study file is said with file, axis and value") {
  const std::pair<std::string, const char*> cases[] = {
      {"out = 3\n", "s.toml: 'out' is 3"},
      {"seeds = [1]\n", "s.toml: 'out' is missing"},
      {changed("[3, 7]", "[]"), "s.toml: 'seeds' is empty"},
      {changed("[3, 7]", "[3, 3]"), "s.toml: 'seeds' has one twice"},
      {changed("[3, 7]", "[-3]"), "s.toml: 'seeds' has -3"},
      {changed("\"rate\"]", "\"rat\"]"), "s.toml: axes has 'rat', and there is no [[rat]]"},
      {changed(", \"rate\"]", "]"), "s.toml: 'rate' is neither a key of a study nor in axes"},
      {changed("\"rate\"]", "\"size\"]"), "s.toml: axes has 'size' twice"},
      {changed("\"rate\"]", "\"seeds\"]"), "s.toml: axes has 'seeds', a key of the study"},
      {changed("seeds", "bets = \"rate\"\nseeds"), "did you mean 'best'?"},
      {changed("seeds", "best = \"rte\"\nseeds"), "best is 'rte', which is not in axes; did you"},
      {changed("name = \"b\"", "name = \"a\""), "s.toml: size has two values 'a'"},
      {changed("name = \"b\"", "name = \"b-1\""), "s.toml: [[size]]: the name 'b-1' is none"},
      {changed("name = \"b\"", "name = \"../b\""), "s.toml: [[size]]: the name '../b' is none"},
      {changed("name = \"b\"", "name = \"\""), "s.toml: [[size]]: the name '' is none"},
      {changed("name = \"b\"", "nam = \"b\""), "s.toml: [[size]]: a value has no name"},
      {changed("name = \"b\"", "name = \"b\"\nsett = 1"), "size b: unknown key 'sett'; did you"},
      {changed("name = \"b\"", "name = \"b\"\nset = 1"), "size b: set: found number"},
      {changed("name = \"b\"", "name = \"b\"\nset = {\"a..b\" = 1}"), "size b: set: empty name"},
      {changed("name = \"b\"", "name = \"b\"\nset = {seed = 1}"), "size b: set has seed"},
      {changed("name = \"b\"", "name = \"b\"\nset = {out = \"x\"}"), "size b: set has out"},
      {changed("{ size =", "{ sise ="), "s.toml: kind low: only.sise: no such axis; did you mean"},
      {changed("[\"b\"]", "[\"c\"]"), "s.toml: kind low: only.size: size has no value 'c'"},
      {changed("[\"b\"]", "[3]"), "s.toml: kind low: only.size is no list of names"},
      {changed("[\"b\"]", "3"), "s.toml: kind low: only.size is number, expected a list"},
      {changed("{ size = [\"b\"] }", "3"), "s.toml: kind low: only is no table"},
      {"out = \"o\"\naxes = [\"x\"]\n[[x]]\nname = \"a\"\nonly = {x = []}\n",
       "s.toml: 'only' leaves no run"},
      {"out = \"o\"\naxes = [\"x\"]\nx = [3]\n", "s.toml: [[x]]: found number"},
  };
  for (const auto& [toml, expected] : cases) {
    CAPTURE(toml);
    const std::string text = refusal(toml);
    CAPTURE(text);
    CHECK(contains(text, expected));
    CHECK(text.starts_with("s.toml: "));
  }
  std::string seeds = "1";
  for (int i = 2; i <= 10'001; ++i) seeds += "," + std::to_string(i);
  CHECK(contains(refusal("out = \"o\"\nseeds = [" + seeds + "]\naxes = [\"x\"]\n[[x]]\nname=\"a\""),
                 "more than 10000 runs"));
}

TEST_CASE("study: a run is the run file with the values' keys on top, in the order of the axes") {
  const Planted p;
  const StudyRuns runs = p.resolve(p.study(
      "\"optimizer.lr\" = 0.5, \"model.ffn_linear\" = {kind = \"dense\"}", "optimizer.lr = 0.25"));
  REQUIRE(runs.size() == 1);
  const StudyRun& run = runs.at("x-y-s1");
  CHECK(run.spec.optimizer.lr == 0.25);
  CHECK(run.spec.model.ffn_linear.kind == LinearKind::kDense);
  CHECK(run.spec.steps == 20);
  CHECK(run.spec.seed == 1);
  CHECK(run.spec.out == p.dir.file("o/x-y-s1"));
  CHECK(run.train_flops == doctest::Approx(3 * 20 * 4 * 32 * run.forward_flops));
  // Twice the cost of a run of 20 steps, and half a step that is not taken.
  const std::string flops = format("flops = {:.17g}", run.train_flops * (40.5 / 20));
  const StudyRun longer =
      p.resolve(p.study("\"model.ffn_linear\" = {kind = \"dense\"}", flops)).at("x-y-s1");
  CHECK(longer.phases.total == 40);
}

TEST_CASE("study: a key that cannot be is blamed on its value, the run file, or the combination") {
  const Planted p;
  const auto said = [&](const std::string& set, const std::string& other = "") {
    return p.refusal_of(p.study(set, other));
  };
  CHECK(contains(said("\"model.d_modle\" = 3"), "s.toml: v x: [run]: unknown key 'model.d_modle'"));
  CHECK(contains(said("", "\"optimizer.lr\" = \"x\""), "s.toml: w y: [run]: 'optimizer.lr' is"));
  CHECK(contains(said("model.preset = \"gpt2-z\""), "s.toml: v x: [preset] no preset 'gpt2-z'"));
  CHECK(contains(said("\"model.ffn_linear\" = {kind = \"block_shuffle\", n_blocks = 7}"),
                 "s.toml: v x: "));
  CHECK(contains(said("\"model.ffn_linear\" = {kind = \"block_shuffle\", n_blocks = 7}"),
                 "n_blocks"));
  CHECK(contains(said("tokens = 2000", "flops = 1e12"),
                 "s.toml: v x, w y: [run] both tokens and flops"));
  CHECK(contains(said("\"data.path\" = \"nowhere\""), "s.toml: v x: "));
  CHECK(contains(said("\"model.vocab_size\" = 100"), "model.vocab_size is 100"));
  CHECK(contains(
      said("\"self_guided.mode\" = \"fixed_steps\"", "\"model.ffn_linear\" = {kind = \"dense\"}"),
      "s.toml: v x, w y: [self_guided] every linear"));
  write_text(p.dir.file("base.toml"), "stepz = 20\n");
  CHECK(contains(said(""), "base.toml: [run]: unknown key 'stepz'"));
  std::filesystem::remove(p.dir.file("base.toml"));
  CHECK(contains(said(""), "s.toml: "));
  CHECK(contains(said(""), "base.toml"));
  CHECK_FALSE(std::filesystem::exists(p.dir.file("o")));
}

TEST_CASE(
    "study: a run is new, started, or finished by its last checkpoint, and never another run") {
  const Planted p;
  const StudyRun run = p.resolve(p.study("")).at("x-y-s1");
  CHECK(state_of(run) == RunState::kNew);
  std::filesystem::create_directories(run.spec.out + "/checkpoints/step-10");
  CHECK(state_of(run) == RunState::kStarted);  // killed before it wrote its run file
  RunSpec stored = run.spec;
  stored.threads = 9;  // changes no result
  stored.data.path = {"elsewhere"};
  write_text(run.spec.out + "/run.toml", print_toml(stored));
  CHECK(state_of(run) == RunState::kStarted);
  std::filesystem::create_directories(run.spec.out + "/checkpoints/step-20");
  CHECK(state_of(run) == RunState::kFinished);
  const std::string state = run.spec.out + "/checkpoints/step-20/trainer.json";
  write_text(state, R"({"step": 20, "finished": false})");
  CHECK(state_of(run) == RunState::kStarted);  // stopped before its last validation
  write_text(state, R"({"step": 20, "finished": true})");
  CHECK(state_of(run) == RunState::kFinished);
  stored.optimizer.lr = 0.125;
  write_text(run.spec.out + "/run.toml", print_toml(stored));
  CHECK(contains(error_text([&] { state_of(run); }),
                 run.spec.out + " is a run with optimizer.lr = 0.125, and the study has 0.001"));
  stored = run.spec;
  stored.seed = 4;
  write_text(run.spec.out + "/run.toml", print_toml(stored));
  CHECK(contains(error_text([&] { state_of(run); }), "seed = 4, and the study has 1"));
}

TEST_CASE("study: the final loss of a run is the last of its validations") {
  const TempDir dir;
  test::PlantedRun planted;
  planted.folder = dir.file("r");
  planted.final_loss = 1.75;
  test::plant(planted);
  StudyRun run;
  run.spec.out = planted.folder;
  CHECK(final_loss_of(run) == 1.75);
}
