// Whole runs: exact resume, learning, guard, and what goes wrong.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "base/file_lock.h"
#include "support/error_text.h"
#include "support/shared_data.h"
#include "support/tiny_models.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;

namespace fs = std::filesystem;

TEST_CASE(
    "a run killed with SIGKILL and resumed has the weights of one never stopped, bit for bit") {
  const Folder f;
  const std::string whole = f.dir.file("whole"), broken = f.dir.file("broken");
  REQUIRE(test::run_program(train_command(f.run, whole, f.data)).status == 0);
  // More steps than the other, so that it is killed on its way, and the schedule is the same.
  run_and_kill(train_command(f.run, broken, f.data), RunDirectory(broken).checkpoint(20));
  for (i64 step : RunDirectory(broken).steps()) {
    if (step > 20) fs::remove_all(RunDirectory(broken).checkpoint(step));
  }
  REQUIRE(test::run_program(train_command(f.run, broken, f.data, {"--resume"})).status == 0);
  CHECK(bytes_of(whole, 40, "model.safetensors") == bytes_of(broken, 40, "model.safetensors"));
  CHECK(bytes_of(whole, 40, "trainer.safetensors") == bytes_of(broken, 40, "trainer.safetensors"));
  CHECK(losses_of(whole) == losses_of(broken));
  CHECK(losses_of(whole).size() == 40);
}

TEST_CASE(
    "resumed with another micro-batch the data order is the same, across shard and epoch ends") {
  const Folder f;
  const std::string whole = f.dir.file("whole"), other = f.dir.file("other");
  // 8 samples a step of 337: steps 42 and 84 cross epochs.
  REQUIRE(test::run_program(train_command(f.run, whole, f.data, {"--set", "steps=90"})).status ==
          0);
  run_and_kill(train_command(f.run, other, f.data, {"--set", "steps=90"}),
               RunDirectory(other).checkpoint(40));
  for (i64 step : RunDirectory(other).steps()) {
    if (step > 40) fs::remove_all(RunDirectory(other).checkpoint(step));
  }
  REQUIRE(test::run_program(
              train_command(f.run, other, f.data,
                            {"--set", "steps=90", "--set", "data.micro_batch=2", "--resume"}))
              .status == 0);
  // The loss of every step is that of the same samples, up to the order of summation.
  const auto a = losses_of(whole), b = losses_of(other);
  REQUIRE(a.size() == 90);
  REQUIRE(b.size() == 90);
  for (const auto& [step, loss] : a) CHECK(b.at(step) == doctest::Approx(loss).epsilon(1e-3));
}

TEST_CASE("a second process in the same run directory is refused, with or without --resume") {
  const Folder f;
  const std::string out = f.dir.file("out");
  fs::create_directories(out);
  const std::optional<FileLock> held = FileLock::try_take(out + "/lock");
  REQUIRE(held);
  for (const std::vector<std::string>& more : {{}, std::vector<std::string>{"--resume"}}) {
    const test::ProgramResult result = test::run_program(train_command(f.run, out, f.data, more));
    CHECK(result.status == 1);
    CHECK(contains(result.err, "[run] another process trains in " + out));
    CHECK(!fs::exists(out + "/run.toml"));
  }
}

TEST_CASE("a damaged checkpoint is passed over for the one before, and that is said") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data)).status == 0);
  const std::string file = RunDirectory(out).checkpoint(40) + "/model.safetensors";
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(4000) << "x";
  const auto again = test::run_program(train_command(f.run, out, f.data, {"--resume"}));
  CHECK(again.status == 0);
  CHECK(contains(again.err, "step-40 is damaged"));
  CHECK(!RunDirectory(out).damage(40));
}

TEST_CASE(
    "a run that exists, other data, another model and other nonsense: one line, nothing lost") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data)).status == 0);
  const std::string before = bytes_of(out, 40, "model.safetensors");
  prepare(f.dir.file("other"), small_text(4000) + "!", 1000);
  const auto fails_with = [&](const std::vector<std::string>& command, const std::string& text) {
    const auto result = test::run_program(command);
    CAPTURE(result.err);
    CHECK(result.status == 1);
    CHECK(contains(result.err, text));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  };
  fails_with(train_command(f.run, out, f.data), "already holds a run");
  fails_with(train_command(f.run, out, f.dir.file("other"), {"--resume"}), "other data");
  for (const auto& [set, found] : std::map<std::string, std::string>{
           {"seed=9", "seed = 4, and the run file has 9"},
           {"data.global_batch=16", "data.global_batch = 8, and the run file has 16"},
           {"data.weights=[2.0]", "data.weights = []"},
           {"model.ffn_linear.kind=dense", "model.ffn_linear.kind = \"block_shuffle\""},
           {"model.context_length=8", "model.context_length = 16"}}) {
    fails_with(train_command(f.run, out, f.data, {"--resume", "--set", set}), found);
  }
  fails_with(train_command(f.run, out, f.data, {"--resume", "--set", "model.n_layers=3"}),
             "n_layers");
  const std::string fresh = f.dir.file("fresh");
  fails_with(train_command(f.run, fresh, f.dir.file("missing")), "missing");
  fails_with(train_command(f.run, fresh, f.data, {"--set", "model.vocab_size=100"}), "257");
  fails_with(train_command(f.run, fresh, f.data, {"--set", "optimizer.eps=0"}),
             "optimizer.eps is 0");
  prepare(f.dir.file("large"), small_text(200'000), 1 << 20);
  prepare(f.dir.file("tiny"), small_text(40), 1000);
  const std::string both =
      "data.path=[\"" + f.dir.file("large") + "\",\"" + f.dir.file("tiny") + "\"]";
  fails_with(train_command(f.run, fresh, f.data, {"--set", both}), "/tiny: 3");
  fails_with(train_command(f.run, fresh, f.data, {"--set", "optimizer.lrr=1"}), "did you mean");
  fails_with(train_command(f.run, fresh, f.data, {"--set", "steps=\"many\""}), "whole number");
  fails_with(train_command(f.run, fresh, f.data, {"--set", "model.d_model=25"}), "25");
  fails_with(train_command(f.run, fresh, f.data, {"--set", "data.micro_batch=3"}), "micro_batch");
  fails_with(train_command(f.run, "/proc/none/run", f.data), "/proc/none");
  fails_with(train_command(f.dir.file("no.toml"), fresh, f.data), "no.toml");
  CHECK(bytes_of(out, 40, "model.safetensors") == before);
}

TEST_CASE(
    "checkpoints without 'latest' are a run too: refused without --resume, gone on with by it") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data)).status == 0);
  fs::remove(out + "/latest");
  const auto fresh = test::run_program(train_command(f.run, out, f.data));
  CHECK(fresh.status == 1);
  CHECK(contains(fresh.err, "already holds a run; add --resume"));
  CHECK(RunDirectory(out).steps() == std::vector<i64>{20, 40});
  const auto more =
      test::run_program(train_command(f.run, out, f.data, {"--resume", "--set", "steps=41"}));
  CHECK(more.status == 0);
  CHECK(losses_of(out).size() == 41);
}

TEST_CASE("resumed with fewer steps than are done: one line, and nothing is changed") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data)).status == 0);
  const std::string run = read_text_file(out + "/run.toml"),
                    metrics = read_text_file(out + "/metrics.jsonl");
  const auto fewer =
      test::run_program(train_command(f.run, out, f.data, {"--resume", "--set", "steps=10"}));
  CHECK(fewer.status == 1);
  CHECK(contains(fewer.err, "step-40 has 40 steps behind it, and the run file asks for 10"));
  CHECK(std::count(fewer.err.begin(), fewer.err.end(), '\n') == 1);
  CHECK(read_text_file(out + "/run.toml") == run);
  CHECK(read_text_file(out + "/metrics.jsonl") == metrics);
  CHECK(RunDirectory(out).steps() == std::vector<i64>{20, 40});
}

TEST_CASE("resumed on other data of the same sizes and beginning: refused; in other shards: done") {
  const test::TempDir dir;
  const std::string run = write_run(dir.path()), out = dir.file("out");
  std::string text = small_text(6000);
  prepare(dir.file("data"), text, 10'000);
  prepare(dir.file("divided"), text, 700);
  text[3000] = text[3000] == 'x' ? 'y' : 'x';
  prepare(dir.file("other"), text, 10'000);
  REQUIRE(test::run_program(train_command(run, out, dir.file("data"))).status == 0);
  const std::vector<std::string> more = {"--resume", "--set", "steps=42"};
  const auto other = test::run_program(train_command(run, out, dir.file("other"), more));
  CHECK(other.status == 1);
  CHECK(contains(other.err, "was trained on other data"));
  CHECK(std::count(other.err.begin(), other.err.end(), '\n') == 1);
  CHECK(losses_of(out).size() == 40);
  CHECK(test::run_program(train_command(run, out, dir.file("divided"), more)).status == 0);
  CHECK(losses_of(out).size() == 42);
}

TEST_CASE("weights that are not finite are never saved, and no run ends well with them") {
  const Folder f;
  const std::string out = f.dir.file("out"), broken = f.dir.file("broken"),
                    again = f.dir.file("again");
  REQUIRE(test::run_program(train_command(f.run, out, f.data)).status == 0);
  fs::copy(RunDirectory(out).checkpoint(40), broken);
  const float nan = std::nanf("");
  std::fstream(broken + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(-4, std::ios::end)
      .write(reinterpret_cast<const char*>(&nan), sizeof nan);
  const auto result = test::run_program(train_command(
      f.run, again, f.data,
      {"--set", "model.init_from=" + broken, "--set", "steps=3", "--set", "guard.max_skips=100"}));
  CAPTURE(result.err);
  CHECK(result.status == 1);
  CHECK(contains(result.err, "[guard] after step 3 some weights are not finite"));
  CHECK(!contains(result.err, "done"));
  CHECK(RunDirectory(again).steps().empty());
}

TEST_CASE("resumed with other steps or another learning rate: said, and done") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data)).status == 0);
  fs::rename(f.data, f.dir.file("moved"));  // the same data elsewhere is the same data
  const auto more = test::run_program(
      train_command(f.run, out, f.dir.file("moved"),
                    {"--resume", "--set", "steps=60", "--set", "optimizer.lr=2e-3"}));
  CAPTURE(more.err);
  CHECK(more.status == 0);
  CHECK(contains(more.err, "steps was 40 up to here and is 60 from now on"));
  CHECK(contains(more.err, "optimizer.lr was 0.001 up to here and is 0.002 from now on"));
  CHECK(losses_of(out).size() == 60);
}

TEST_CASE("a full disk while saving: an error, no partial checkpoint, the earlier one whole") {
  const Folder f;
  const std::string out = f.dir.file("out");
  REQUIRE(test::run_program(train_command(f.run, out, f.data, {"--set", "steps=20"})).status == 0);
  // A limit on file sizes stops the write in the middle as a full disk does.
  const std::string limited = "ulimit -f 24; trap '' XFSZ; exec \"$@\"";
  std::vector<std::string> command = {"bash", "-c", limited, "limited"};
  for (const auto& a : train_command(f.run, out, f.data, {"--resume"})) command.push_back(a);
  const auto result = test::run_program(command);
  CAPTURE(result.err);
  CHECK(result.status == 1);
  CHECK(contains(result.err, "large"));
  CHECK(RunDirectory(out).steps() == std::vector<i64>{20});
  CHECK(!RunDirectory(out).damage(20));
  for (const auto& entry : fs::directory_iterator(out + "/checkpoints")) {
    CHECK(entry.path().filename() == "step-20");
  }
}

TEST_CASE("a loss that is not finite: updates are skipped and counted, then the run stops") {
  const Folder f;
  const std::string out = f.dir.file("out");
  const auto result = test::run_program(train_command(
      f.run, out, f.data,
      {"--set", "optimizer.lr=100", "--set", "optimizer.clip=0", "--set", "optimizer.eps=1e-30",
       "--set", "model.init_std=9.9", "--set", "guard.max_skips=3", "--set",
       "optimizer.weight_decay=99", "--set", "steps=400"}));
  CAPTURE(result.err);
  CHECK(result.status == 1);
  CHECK(contains(result.err, "[guard] 4 updates in a row"));
}

TEST_CASE("what a run file says comes back from the resolved run file") {
  const Folder f;
  const RunSpec run = load_run_spec(f.run, {"optimizer.kind=adamw", "schedule.kind=wsd"});
  std::ofstream(f.dir.file("resolved.toml")) << print_toml(run);
  const RunSpec again = load_run_spec(f.dir.file("resolved.toml"), {});
  CHECK(write_fields(run) == write_fields(again));
}

TEST_CASE("real text: every topology and kind ends well under the unigram entropy") {
  const std::string path = test::shared_path("data/corpora/tinyshakespeare_input.txt");
  if (path.empty()) return;
  const std::string text = read_text_file(path).substr(0, 400'000);
  std::vector<double> counts(256);
  for (const unsigned char c : text) counts[c] += 1;
  double entropy = 0;
  for (double n : counts) {
    if (n > 0)
      entropy -=
          n / static_cast<double>(text.size()) * std::log(n / static_cast<double>(text.size()));
  }
  const test::TempDir dir;
  prepare(dir.file("data"), text, 100'000);
  const std::string run = write_run(dir.path());
  const std::vector<std::string> common = {
      "model.context_length=64", "model.d_model=64",  "model.n_heads=4",     "model.n_kv_heads=4",
      "model.d_head=16",         "model.d_ff=256",    "model.n_layers=4",    "steps=300",
      "optimizer.lr=4e-3",       "precision=bf16",    "data.micro_batch=16", "data.global_batch=16",
      "eval_tokens=20000",       "checkpoint_every=0"};
  const std::vector<std::vector<std::string>> variants = {
      {"model.ffn_linear.kind=dense"},
      {"model.ffn_linear.kind=low_rank", "model.ffn_linear.rank=16"},
      {"model.ffn_linear.kind=block_dense", "model.ffn_linear.rank=32",
       "model.ffn_linear.n_blocks=2"},
      {"model.ffn_linear.kind=block_shuffle", "model.ffn_linear.n_blocks=4"},
      {"model.topology.kind=pgpt", "model.tie_embeddings=false"},
      {"model.topology.kind=lgpt", "model.tie_embeddings=false"},
      {"model.topology.kind=cgpt", "model.topology.kernel_size=3", "model.tie_embeddings=false"}};
  for (size_t i = 0; i < variants.size(); ++i) {
    const std::string out = dir.file("run" + std::to_string(i));
    std::vector<std::string> sets;
    for (const auto* list : {&common, &variants[i]}) {
      for (const std::string& set : *list) {
        sets.push_back("--set");
        sets.push_back(set);
      }
    }
    CAPTURE(variants[i].front());
    const auto result = test::run_program(train_command(run, out, dir.file("data"), sets));
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    const auto state =
        nlohmann::json::parse(read_text_file(RunDirectory(out).checkpoint(300) + "/trainer.json"));
    CHECK(state.at("last_val_loss").get<double>() < entropy - 0.5);
  }
}
