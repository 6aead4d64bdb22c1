#include "run/run_spec.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "run/spec_source.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;
using test::contains;
using test::error_text;

namespace {

const std::string kTrain = LATHE_SOURCE_DIR "/configs/train/";

std::vector<std::string> run_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kTrain)) {
    files.push_back(entry.path().string());
  }
  return files;
}

}  // namespace

TEST_CASE("run files: every one in configs is valid, with a plan and its phases") {
  CHECK(run_files().size() >= 16);
  for (const std::string& file : run_files()) {
    CAPTURE(file);
    REQUIRE_NOTHROW(load_run_spec(file, {}));
    const RunSpec run = load_run_spec(file, {});
    CHECK(phases_of(run).total == run.steps);  // none is guided until asked to
    CHECK(planned_flops(run) > 0);
  }
}

TEST_CASE("run files: the papers' have the models, steps and rates of the papers") {
  struct Row {
    const char* name;
    i64 steps;
    double lr;
  };
  constexpr Row kRows[] = {
      {"gpt2-s", 4196, 6e-4},
      {"gpt2-m", 12779, 3e-4},
      {"gpt2-l", 27809, 2.5e-4},
      {"gpt2-xl", 48637, 2e-4},
      {"gpt2-m-gqa", 12779, 3e-4},
      {"gpt2-l-gqa", 27809, 2.5e-4},
      {"wide-structured-m", 20179, 3e-4},
      {"wide-structured-l", 44555, 2.5e-4},
      {"gpt-124m", 19073, 6e-4},
      {"pgpt-124m", 19073, 6e-4},
      {"lgpt-124m", 19073, 6e-4},
      {"cgpt-124m", 19073, 6e-4},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.name);
    const RunSpec run = load_run_spec(kTrain + row.name + ".toml", {});
    CHECK(run.steps == row.steps);
    CHECK(run.optimizer.lr == row.lr);
    CHECK(run.batch_tokens() == 512 * 1024);
    CHECK(to_json(run.model) == to_json(load_model_spec(row.name, {})));
    // `lathe describe` reads the same model from the run file.
    CHECK(to_json(load_model_spec(kTrain + row.name + ".toml", {})) == to_json(run.model));
  }
}

TEST_CASE("run files: the papers' variants and both guided modes are a --set away") {
  for (const char* size : {"s", "m", "l", "xl"}) {
    const std::string file = kTrain + "gpt2-" + size + ".toml";
    for (const char* kind : {"lowrank", "blockdense", "blockshuffle"}) {
      for (const char* share : {"63", "32"}) {
        const std::string preset = std::string("gpt2-") + size + "-" + kind + share;
        CAPTURE(preset);
        const RunSpec run = load_run_spec(file, {"model.preset=" + preset});
        CHECK(to_json(run.model) == to_json(load_model_spec(preset, {})));
        const RunSpec steps =
            load_run_spec(file, {"model.preset=" + preset, "self_guided.mode=fixed_steps"});
        CHECK(phases_of(steps).guided == run.steps / 2);
        const RunSpec flops =
            load_run_spec(file, {"model.preset=" + preset, "self_guided.mode=fixed_flops"});
        const double dense = planned_flops(load_run_spec(file, {}));
        CHECK(planned_flops(flops) == doctest::Approx(dense).epsilon(1e-3));
      }
    }
  }
}

TEST_CASE("run files: data that is no prepared folder, or has more token ids, is an Error") {
  const test::TempDir dir;
  RunSpec run;
  CHECK(contains(error_text([&] { check_data(run); }), "data.path is empty"));
  run.data.path = {dir.path()};
  CHECK(contains(error_text([&] { check_data(run); }), dir.path()));
  write_file_atomically(dir.file("dataset.json"),
                        R"({"tokenizer":"bytes","vocab_size":257,"train":{"tokens":9,"bytes":9,)"
                        R"("documents":1},"val":{"tokens":9,"bytes":9,"documents":1}})");
  CHECK_NOTHROW(check_data(run));
  run.model.vocab_size = 256;
  CHECK(contains(error_text([&] { check_data(run); }), "set it to at least 257"));
  run.data.weights = {1, 2};
  CHECK(contains(error_text([&] { check_data(run); }), "2 numbers for 1 folders"));
}

TEST_CASE("run files: a teacher is beside the run file, asked for where needed, and in range") {
  const test::TempDir dir;
  std::filesystem::create_directories(dir.file("original"));
  write_file_atomically(dir.file("run.toml"), "[teacher]\nmodel = \"original\"\nweight = 0.25\n");
  const RunSpec run = load_run_spec(dir.file("run.toml"), {"teacher.mode=logits"});
  CHECK(run.teacher.model == dir.file("original"));
  CHECK(run.teacher.weight == 0.25);
  CHECK(run.begins_with_teacher());
  CHECK_FALSE(load_run_spec(dir.file("run.toml"), {}).begins_with_teacher());
  const auto refusal = [](std::vector<std::string> assignments) {
    return error_text([&] { load_run_spec("", assignments); });
  };
  CHECK(contains(refusal({"teacher.mode=blocks"}), "teacher.mode asks for a teacher"));
  CHECK(contains(refusal({"self_guided.mode=fixed_steps", "self_guided.from=teacher"}),
                 "self_guided.from asks for a teacher"));
  CHECK(refusal({"self_guided.from=teacher"}) == "");
  CHECK(contains(refusal({"teacher.mode=logits", "teacher.model=x", "flops=1e15"}),
                 "flops counts no teacher"));
  CHECK(contains(refusal({"teacher.weight=-0.1"}), "teacher.weight is -0.1"));
  CHECK(contains(refusal({"teacher.temperature=101"}), "teacher.temperature is 101"));
  // What it means to resuming and to comparisons.
  CHECK(meaning_of("teacher.model").on_resume == OnResume::kFree);
  CHECK(meaning_of("teacher.mode").on_resume == OnResume::kRefused);
  CHECK(meaning_of("teacher.weight").on_resume == OnResume::kSaid);
  CHECK(meaning_of("freeze").on_resume == OnResume::kSaid);
  for (const char* key : {"teacher.model", "teacher.mode", "teacher.weight", "self_guided.from"}) {
    CHECK(meaning_of(key).role == KeyRole::kStructure);
  }
}

TEST_CASE("run files: an eps that is nothing in f32 is an Error") {
  for (const char* eps : {"0", "0.0", "1e-46", "-1e-8", "2"}) {
    CAPTURE(eps);
    CHECK(contains(error_text([&] { load_run_spec("", {std::string("optimizer.eps=") + eps}); }),
                   "[run] optimizer.eps is"));
  }
  CHECK(load_run_spec("", {"optimizer.eps=1e-30"}).optimizer.eps == 1e-30);
}

TEST_CASE("run files: a count beyond all bounds is an Error, not an overflow") {
  const auto refusal = [](const std::string& assignment) {
    return error_text([&] { load_run_spec("", {assignment}); });
  };
  CHECK(contains(refusal("steps=9000000000000000000"), "[run] steps is"));
  CHECK(contains(refusal("data.global_batch=9000000000000000000"), "[run] data.global_batch is"));
}
