// Whole self-guided runs: exact resume in every phase, what checkpoints hold, what is refused.
#include <doctest/doctest.h>

#include "model/counts.h"
#include "model/tensor_list.h"
#include "support/error_text.h"
#include "trained_runs.h"
#include "weights/safetensors.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;
namespace fs = std::filesystem;

namespace {

// 12 steps, 6 of them guided, then the first 6 batches again.
const std::vector<std::string> kFixedFlops = {"--set", "steps=12",
                                              "--set", "checkpoint_every=1",
                                              "--set", "keep_checkpoints=100",
                                              "--set", "self_guided.mode=fixed_flops",
                                              "--set", "self_guided.share=0.5"};

std::vector<std::string> with(std::vector<std::string> sets, const std::vector<std::string>& more) {
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

Json metrics_line(const std::string& run, i64 step) {
  std::istringstream in(read_text_file(run + "/metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    const Json object = Json::parse(line);
    if (object.contains("loss") && object.at("step") == step) return object;
  }
  FAIL("no step " << step);
  return {};
}

bool has_guide(const std::string& run, i64 step) {
  const SafetensorsFile file(RunDirectory(run).checkpoint(step) + "/trainer.safetensors");
  return file.find("guide.value.blocks.1.ffn.up.guide") != nullptr;
}

}  // namespace

TEST_CASE(
    "a self-guided run resumed at any step, phase borders included, is the one never stopped") {
  const Folder f;
  for (const char* stochastic : {"always", "paper", "unbiased"}) {
    CAPTURE(stochastic);
    const auto sets =
        with(kFixedFlops, {"--set", std::string("self_guided.stochastic=") + stochastic, "--set",
                           "self_guided.alpha_end=0.2", "--set", "self_guided.handoff=reproject"});
    const std::string whole = f.dir.file(std::string("whole-") + stochastic);
    const auto first = test::run_program(train_command(f.run, whole, f.data, sets));
    CAPTURE(first.err);
    REQUIRE(first.status == 0);
    CHECK(RunDirectory(whole).steps().back() == 18);
    // Guided, the border, unguided, the end of the new batches, repeating.
    for (const i64 step : {3, 5, 6, 7, 12, 15}) {
      CAPTURE(step);
      const std::string again = f.dir.file("again");
      fs::remove_all(again);
      fs::copy(whole, again, fs::copy_options::recursive);
      for (i64 later : RunDirectory(again).steps()) {
        if (later > step) fs::remove_all(RunDirectory(again).checkpoint(later));
      }
      REQUIRE(
          test::run_program(train_command(f.run, again, f.data, with(sets, {"--resume"}))).status ==
          0);
      for (const char* file : {"model.safetensors", "trainer.safetensors"}) {
        CHECK(bytes_of(again, 18, file) == bytes_of(whole, 18, file));
      }
      CHECK(losses_of(again) == losses_of(whole));
    }
  }
}

TEST_CASE("the micro-batch changes no self-guided run, however it draws, whole or resumed") {
  const Folder f;
  for (const char* stochastic : {"always", "paper", "unbiased"}) {
    CAPTURE(stochastic);
    const auto sets =
        with(kFixedFlops, {"--set", std::string("self_guided.stochastic=") + stochastic, "--set",
                           "optimizer.lr=5e-3"});
    const auto out_of = [&](i64 micro) { return f.dir.file(stochastic + std::to_string(micro)); };
    const auto run = [&](const std::string& out, i64 micro, const std::vector<std::string>& more) {
      const std::string batch = "data.micro_batch=" + std::to_string(micro);
      const auto all = with(with(sets, {"--set", batch}), more);
      const auto result = test::run_program(train_command(f.run, out, f.data, all));
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
    };
    for (const i64 micro : {8, 4, 2, 1}) run(out_of(micro), micro, {});
    // The one of 8 killed after step 3, and gone on with by 2.
    const std::string resumed = f.dir.file(std::string("resumed-") + stochastic);
    fs::copy(out_of(8), resumed, fs::copy_options::recursive);
    for (i64 step : RunDirectory(resumed).steps()) {
      if (step > 3) fs::remove_all(RunDirectory(resumed).checkpoint(step));
    }
    run(resumed, 2, {"--resume"});
    const auto whole = losses_of(out_of(8));
    REQUIRE(whole.size() == 18);
    for (const std::string& out : {out_of(4), out_of(2), out_of(1), resumed}) {
      CAPTURE(out);
      const auto losses = losses_of(out);
      REQUIRE(losses.size() == 18);
      for (const auto& [step, loss] : whole) {
        CAPTURE(step);
        CHECK(losses.at(step) == doctest::Approx(loss).epsilon(5e-5));
        // The draws are the same: the same paths were paid for.
        CHECK(metrics_line(out, step).at("flops").get<double>() ==
              doctest::Approx(metrics_line(out_of(8), step).at("flops").get<double>())
                  .epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("the dense matrices are in checkpoints while they guide, and gone from then on") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data, kFixedFlops)).status == 0);
  for (i64 step = 1; step <= 18; ++step) CHECK(has_guide(out, step) == (step < 6));
  CHECK(metrics_line(out, 1).at("alpha") == 1.0);
  CHECK(metrics_line(out, 4).at("alpha").get<double>() == doctest::Approx(0.5));
  CHECK(!metrics_line(out, 7).contains("alpha"));
  // A model directory in every phase: the factors alone.
  const SafetensorsFile model(RunDirectory(out).checkpoint(3) + "/model.safetensors");
  for (const auto& t : model.tensors()) CHECK(!contains(t.name, "guide"));
}

TEST_CASE("the first batches come again at the end: with a rate of 0 their losses too") {
  const Folder f;
  const std::string out = f.dir.file("out");
  // Unguided after step 0 at a rate of 0, every step's loss is a function of its batch alone.
  REQUIRE(test::run_program(train_command(f.run, out, f.data,
                                          with(kFixedFlops, {"--set", "optimizer.lr=0", "--set",
                                                             "optimizer.weight_decay=0"})))
              .status == 0);
  const auto losses = losses_of(out);
  REQUIRE(losses.size() == 18);
  for (i64 step = 1; step <= 6; ++step) {
    CHECK(losses.at(12 + step) == doctest::Approx(losses.at(step)).epsilon(1e-5));
    CHECK(losses.at(6 + step) != doctest::Approx(losses.at(step)).epsilon(1e-5));
  }
}

TEST_CASE("FLOPs in the metrics are those spent: the closed form's when guidance always runs") {
  const Folder f;
  const std::string out = f.dir.file("out");
  const auto sets = with(kFixedFlops, {"--set", "self_guided.stochastic=always"});
  REQUIRE(test::run_program(train_command(f.run, out, f.data, sets)).status == 0);
  const RunSpec run = load_run_spec(out + "/run.toml", {});
  const Plan plan = make_plan(run.model);
  const double batch = static_cast<double>(run.batch_tokens());
  const double own = forward_flops_per_token(plan, 16);
  const double dense = 2.0 * static_cast<double>(guide_weights(plan));
  // At step 0 α is 1: the factors are not run.
  i64 structured = 0;
  for (const TensorInfo& t : guide_list(plan)) structured += linear_macs(*t.linear);
  const double expected =
      3 * batch * (18 * own + 6 * dense - 2.0 * static_cast<double>(structured));
  CHECK(metrics_line(out, 18).at("flops").get<double>() == doctest::Approx(expected).epsilon(1e-9));
}

TEST_CASE("flops = N gives the most steps that cost no more, guidance included") {
  const Folder f;
  for (const char* mode : {"off", "fixed_steps", "fixed_flops"}) {
    const RunSpec run =
        load_run_spec(f.run, {"flops=3e9", std::string("self_guided.mode=") + mode,
                              "self_guided.stochastic=always", "self_guided.share=0.25"});
    const Plan plan = make_plan(run.model);
    const auto cost = [&](i64 steps) {
      TrainPlan training{
          .tokens = static_cast<double>(steps * run.batch_tokens()),
          .batch_tokens = run.batch_tokens(),
          .guide = {.mode = run.self_guided.mode, .share = 0.25, .draw = GuideDraw::kAlways}};
      return count_training(plan, training).flops;
    };
    CAPTURE(mode);
    CHECK(cost(run.steps) <= 3e9);
    CHECK(cost(run.steps + 4) > 3e9);  // guided steps come in fours
  }
}

TEST_CASE("guidance that cannot be, and resuming with another one: one line, nothing lost") {
  const Folder f;
  const std::string out = f.dir.file("out"), fresh = f.dir.file("fresh");
  REQUIRE(test::run_program(train_command(f.run, out, f.data, kFixedFlops)).status == 0);
  const std::string before = bytes_of(out, 18, "model.safetensors");
  const auto fails_with = [&](const std::vector<std::string>& command, const std::string& text) {
    const auto result = test::run_program(command);
    CAPTURE(result.err);
    CHECK(result.status == 1);
    CHECK(contains(result.err, text));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  };
  const auto changed = [&](const std::string& set) {
    return train_command(f.run, out, f.data, with(kFixedFlops, {"--resume", "--set", set}));
  };
  fails_with(changed("self_guided.mode=fixed_steps"), "self_guided.mode = \"fixed_flops\"");
  fails_with(changed("self_guided.mode=off"), "self_guided.mode");
  fails_with(changed("self_guided.stochastic=unbiased"), "self_guided.stochastic");
  fails_with(changed("steps=40"), "6 guided steps, and the run file has 20");
  CHECK(bytes_of(out, 18, "model.safetensors") == before);
  const auto run = [&](const std::vector<std::string>& sets) {
    return train_command(f.run, fresh, f.data, sets);
  };
  const std::string mode = "self_guided.mode=fixed_steps";
  fails_with(run({"--set", mode, "--set", "self_guided.share=1.5"}), "self_guided.share is 1.5");
  fails_with(run({"--set", mode, "--set", "model.ffn_linear.kind=dense"}), "every linear");
  fails_with(run({"--set", mode, "--set", "self_guided.handoff=reproject"}), "alpha_end");
  fails_with(run({"--set", "self_guided.mode=fixed_step"}), "fixed_step");
  fails_with(run({"--set", "tokens=1000", "--set", "flops=1e9"}), "both tokens and flops");
  fails_with(run({"--set", "flops=1000"}), "one update costs");
  fails_with(run({"--set", "model.ffn_linear.n_blocks=5"}), "n_blocks 5 does not divide");
  CHECK(!fs::exists(fresh));  // not even an empty folder
}
