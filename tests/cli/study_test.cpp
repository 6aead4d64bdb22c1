// The running of a study, by a lathe-train that only pretends.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "checks.h"
#include "support/temp_dir.h"

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

// Trains at once: the final loss is what the file loss/NAME says. With fail/NAME it fails after its
// first checkpoint, with hang/NAME it trains until a signal comes.
constexpr const char* kFakeTrain = R"SH(#!/usr/bin/env bash
root=${0%/*}
name=$(basename "$2" .toml)
echo "$1 $name ${3-}" >>"$root/calls"
out=$(sed -n 's/^out = "\(.*\)".*/\1/p' "$2")
mkdir -p "$out/checkpoints/step-1"
cp "$2" "$out/run.toml"
echo '{"step":1,"tokens":8,"loss":5,"flops":1}' >"$out/metrics.jsonl"
echo "the child's own line"
if [[ -e $root/fail/$name ]]; then exit 1; fi
if [[ -e $root/hang/$name ]]; then
  trap 'echo stopped >>"$root/calls"; exit 1' TERM INT
  touch "$root/hanging"
  while :; do sleep 0.02; done
fi
mkdir "$out/checkpoints/step-2"
echo "{\"step\":2,\"tokens\":16,\"loss\":4,\"flops\":2}
{\"step\":2,\"val_loss\":$(cat "$root/loss/$name"),\"val_bits_per_byte\":1}" >>"$out/metrics.jsonl"
)SH";

struct Fixture {
  TempDir dir;
  Fixture() {
    fs::copy_file(LATHE_BIN_DIR "/lathe", dir.file("lathe"));
    write_file(dir.file("lathe-train"), kFakeTrain);
    fs::permissions(dir.file("lathe-train"), fs::perms::owner_all);
    for (const char* name : {"fail", "hang", "loss", "data"}) fs::create_directory(dir.file(name));
    write_file(dir.file("data/dataset.json"),
               R"({"tokenizer":"bytes","vocab_size":257,"train":{"tokens":9,"bytes":9,)"
               R"("documents":1},"val":{"tokens":9,"bytes":9,"documents":1}})");
    write_study("best = \"rate\"\n");
    for (const char* kind : {"dense", "low"}) {
      for (const char* rate : {"r1", "r2"}) {
        for (const char* seed : {"s1", "s2", "s3"}) {
          const std::string name = std::string(kind) + "-" + rate + "-" + seed;
          write_file(dir.file("loss/" + name), rate == std::string("r1") ? "3.5" : "2.5");
        }
      }
    }
  }
  void write_study(const std::string& top, const std::string& low = "rank = 8") const {
    write_file(dir.file("s.toml"),
               "out = \"" + dir.file("o") + "\"\nrun = \"base.toml\"\nseeds = [1, 2, 3]\n" +
                   "axes = [\"kind\", \"rate\"]\n" + top +
                   "[[kind]]\nname = \"dense\"\nset = { model.ffn_linear = {kind = \"dense\"} }\n"
                   "[[kind]]\nname = \"low\"\nset = { model.ffn_linear = {kind = \"low_rank\", " +
                   low +
                   "} }\n[[rate]]\nname = \"r1\"\nset = { optimizer.lr = 0.5 }\n[[rate]]\n"
                   "name = \"r2\"\nset = { optimizer.lr = 0.25 }\n");
    write_file(dir.file("base.toml"),
               "steps = 2\n[model]\nvocab_size = 257\ncontext_length = 32\nd_model = 64\n"
               "n_layers = 3\nn_heads = 4\nn_kv_heads = 4\nd_head = 16\nd_ff = 256\n[data]\n"
               "path = \"" +
                   dir.file("data") + "\"\nmicro_batch = 2\nglobal_batch = 4\n");
  }
  void mark(const std::string& what, const std::string& run) const {
    write_file(dir.file(what + "/" + run), "");
  }
  ProgramResult study(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {dir.file("lathe"), "study", dir.file("s.toml")});
    return run_program(more);
  }
  std::string calls() const { return read_file(dir.file("calls")); }
  void forget_calls() const { fs::remove(dir.file("calls")); }
};

constexpr const char* kDenseCalls =
    "train dense-r1-s1 \ntrain dense-r2-s1 \ntrain dense-r2-s2 \ntrain dense-r2-s3 \n";
constexpr const char* kLowCalls =
    "train low-r1-s1 \ntrain low-r2-s1 \ntrain low-r2-s2 \ntrain low-r2-s3 \n";

}  // namespace

TEST_CASE("study: every value runs with the first seed, the best with the others, in order") {
  const Fixture f;
  const ProgramResult result = f.study();
  CAPTURE(result.err);
  CHECK(result.status == 0);
  CHECK(f.calls() == std::string(kDenseCalls) + kLowCalls);
  CHECK(has(result.err, "[1/8] dense-r1-s1\nthe child's own line\n"));
  CHECK(has(result.err, "[8/8] low-r2-s3: final validation loss 2.5000\n"));
  CHECK(result.out ==
        "group     runs  final validation loss\n"
        "dense-r1     1  3.5000\n"
        "dense-r2     3  2.5000 ± 0.0000  best rate\n"
        "low-r1       1  3.5000\n"
        "low-r2       3  2.5000 ± 0.0000  best rate\n");
  // The line that it ends with works.
  const std::string page = f.dir.file("o/report.html");
  CHECK(has(result.err, "lathe report " + f.dir.file("o") + " --best optimizer.lr --out " + page));
  const ProgramResult report =
      run_lathe({"report", f.dir.file("o"), "--best", "optimizer.lr", "--out", page});
  CHECK(report.status == 0);
  CHECK(has(report.err, "note: 2 runs with other values of optimizer.lr than the best left out\n"));
  CHECK(has(report.err, "6 runs in 2 groups"));
  check_refused(run_lathe({"report", f.dir.file("o"), "--best", "optimizer.rate", "--json"}), 1,
                {"[report] best: no run has a key 'optimizer.rate'"});
}

TEST_CASE("study: what is finished is passed over, what was begun goes on with --resume") {
  const Fixture f;
  REQUIRE(f.study().status == 0);
  f.forget_calls();
  fs::remove_all(f.dir.file("o/low-r1-s1/checkpoints/step-2"));
  fs::remove_all(f.dir.file("o/low-r2-s3"));
  const ProgramResult again = f.study({"--json"});
  CHECK(again.status == 0);
  CHECK(f.calls() == "train low-r1-s1 --resume\ntrain low-r2-s3 \n");
  const auto json = nlohmann::json::parse(again.out);
  REQUIRE(json["groups"].size() == 4);
  CHECK(json["groups"][3]["axes"] == nlohmann::json{{"kind", "low"}, {"rate", "r2"}});
  CHECK(json["groups"][3]["loss"]["mean"] == 2.5);
  CHECK(json["groups"][3]["best"] == true);
  CHECK(json["groups"][0]["best"] == false);
  CHECK(json["stopped"] == false);
}

TEST_CASE("study: a run that fails is said and never the best; the others go on; exit status 1") {
  const Fixture f;
  f.mark("fail", "dense-r2-s1");
  const ProgramResult result = f.study();
  CAPTURE(result.err);
  CHECK(result.status == 1);
  CHECK(f.calls() == std::string("train dense-r1-s1 \ntrain dense-r2-s1 \ntrain dense-r1-s2 \n"
                                 "train dense-r1-s3 \n") +
                         kLowCalls);
  CHECK(has(result.err, "[2/8] dense-r2-s1 failed; the study goes on\n"));
  CHECK(has(result.err, "lathe: 1 failed: dense-r2-s1;"));
  CHECK(has(result.out, "dense-r2     0  -  1 failed\n"));
}

TEST_CASE("study: where every value fails no other seed is run, and the rest goes on") {
  const Fixture f;
  f.mark("fail", "dense-r1-s1");
  f.mark("fail", "dense-r2-s1");
  const ProgramResult result = f.study();
  CHECK(result.status == 1);
  CHECK(f.calls() == std::string("train dense-r1-s1 \ntrain dense-r2-s1 \n") + kLowCalls);
  CHECK(has(result.err, "lathe: dense: no rate has a final loss, so no other seed is run\n"));
  CHECK(has(result.err, "[6/6] low-r2-s3"));
  CHECK(has(result.err, "lathe: 2 failed: dense-r1-s1, dense-r2-s1;"));
}

TEST_CASE("study: without best every value runs with every seed") {
  const Fixture f;
  f.write_study("");
  CHECK(f.study().status == 0);
  const std::string calls = f.calls();
  CHECK(std::count(calls.begin(), calls.end(), '\n') == 12);
}

TEST_CASE("study: SIGTERM and SIGINT stop the run and then the study, which says how to go on") {
  for (const int signal : {SIGTERM, SIGINT}) {
    const Fixture f;
    f.mark("hang", "dense-r2-s1");
    std::thread killer([&] {
      for (int i = 0; i < 3000 && !fs::exists(f.dir.file("hanging")); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      // The study writes its process number before it becomes lathe.
      ::kill(static_cast<pid_t>(std::stol(read_file(f.dir.file("pid")))), signal);
    });
    const ProgramResult result =
        run_program({"bash", "-c", "echo $$ >" + f.dir.file("pid") + "; exec \"$@\"", "bash",
                     f.dir.file("lathe"), "study", f.dir.file("s.toml")});
    killer.join();
    CAPTURE(result.err);
    CHECK(result.status == 1);
    CHECK(f.calls() == "train dense-r1-s1 \ntrain dense-r2-s1 \nstopped\n");
    CHECK(has(result.err, "lathe: stopped; go on with: lathe study " + f.dir.file("s.toml")));
    CHECK(!has(result.err, "failed"));
    fs::remove(f.dir.file("hang/dense-r2-s1"));
    f.forget_calls();
    CHECK(f.study().status == 0);
    CHECK(f.calls() == std::string("train dense-r2-s1 --resume\ntrain dense-r2-s2 \n"
                                   "train dense-r2-s3 \n") +
                           kLowCalls);
  }
}

TEST_CASE(
    "study: of two at once each takes the runs that the other has not, and waits for the rest") {
  const Fixture f;
  f.mark("hang", "dense-r2-s1");
  ProgramResult first, second;
  std::thread one([&] {
    first = run_program({"bash", "-c", "echo $$ >" + f.dir.file("pid") + "; exec \"$@\"", "bash",
                         f.dir.file("lathe"), "study", f.dir.file("s.toml")});
  });
  const auto wait_for = [&](const std::function<bool()>& there) {
    for (int i = 0; i < 3000 && !there(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(there());
  };
  wait_for([&] { return fs::exists(f.dir.file("hanging")); });
  f.forget_calls();
  std::thread two([&] { second = f.study(); });
  wait_for([&] { return fs::exists(f.dir.file("o/low-r2-s3/checkpoints/step-2")); });
  CHECK(f.calls() == kLowCalls);  // dense waits for the rate that the first one still tries
  fs::remove(f.dir.file("hang/dense-r2-s1"));
  ::kill(static_cast<pid_t>(std::stol(read_file(f.dir.file("pid")))), SIGTERM);
  one.join();
  two.join();
  CAPTURE(second.err);
  CHECK(first.status == 1);
  CHECK(second.status == 0);
  CHECK(has(second.err, "trained by another lathe study; waiting\n"));
  CHECK(has(second.out, "dense-r2     3  2.5000 ± 0.0000  best rate\n"));
  CHECK(f.calls() == std::string(kLowCalls) +
                         "stopped\ntrain dense-r2-s1 --resume\ntrain dense-r2-s2 \n"
                         "train dense-r2-s3 \n");
}

TEST_CASE("study: a dry run lists every run and writes nothing") {
  const Fixture f;
  const auto before = names_in(f.dir.path());
  const ProgramResult text = f.study({"--dry-run"});
  CHECK(text.status == 0);
  CHECK(has(text.out, "low-r2-s3"));
  CHECK(has(text.out, "new, if best\n8 runs\n"));
  const auto json = nlohmann::json::parse(f.study({"--dry-run", "--json"}).out);
  REQUIRE(json.size() == 12);
  CHECK(json[0]["name"] == "dense-r1-s1");
  CHECK(json[0]["steps"] == 2);
  CHECK(json[0]["state"] == "new");
  CHECK(json[0]["if_best"] == false);
  CHECK(json[2]["if_best"] == true);
  CHECK(json[0]["train_flops"] ==
        3 * 2 * 4 * 32 * json[0]["forward_flops_per_token"].get<double>());
  CHECK(names_in(f.dir.path()) == before);
}

TEST_CASE(
    "study: whatever is wrong with any run is said before the first one, and nothing written") {
  const Fixture f;
  f.write_study("", "n_rank = 8");
  check_refused(f.study(), 1, {"s.toml: kind low: [run]: unknown key 'model.ffn_linear.n_rank'"});
  f.write_study("", "rank = 0");
  check_refused(f.study(), 1, {"s.toml: kind low: ", "rank"});
  check_refused(run_lathe({"study", f.dir.file("none.toml")}), 1, {"none.toml"});
  CHECK(run_lathe({"study"}).status == 2);
  CHECK_FALSE(fs::exists(f.dir.file("o")));
  CHECK_FALSE(fs::exists(f.dir.file("calls")));
  // A folder of another run in the way of the last one.
  f.write_study("");
  REQUIRE(f.study().status == 0);
  f.forget_calls();
  f.write_study("", "rank = 4");
  check_refused(f.study(), 1, {"is a run with model.ffn_linear.rank = 8, and the study has 4"});
  CHECK_FALSE(fs::exists(f.dir.file("calls")));
}

TEST_CASE("study: every study file in configs is valid, and no run of it is there twice") {
  const TempDir dir;
  for (const char* name : {"books", "tiny"}) {
    fs::create_directories(dir.file("data/" + std::string(name)));
    write_file(dir.file("data/" + std::string(name) + "/dataset.json"),
               R"({"tokenizer":"tokenizer.json","vocab_size":257,"train":{"tokens":9,"bytes":9,)"
               R"("documents":1},"val":{"tokens":9,"bytes":9,"documents":1}})");
  }
  int n = 0;
  for (const auto& entry : fs::directory_iterator(LATHE_SOURCE_DIR "/configs/studies")) {
    const std::string file = entry.path().string();
    if (file.ends_with("_run.toml")) continue;
    CAPTURE(file);
    const ProgramResult result =
        run_program({"bash", "-c", "cd " + dir.path() + " && exec \"$@\"", "bash",
                     LATHE_BIN_DIR "/lathe", "study", file, "--dry-run", "--json"});
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    std::set<std::string> names;
    const auto runs = nlohmann::json::parse(result.out);
    for (const auto& run : runs) names.insert(run["name"].get<std::string>());
    CHECK(names.size() == runs.size());
    n += 1;
  }
  CHECK(n >= 4);
}

TEST_CASE("study: a build without lathe-train says so") {
  const Fixture f;
  fs::remove(f.dir.file("lathe-train"));
  check_refused(f.study(), 1, {"lathe-train is missing"});
}
