// Runs that are asked to stop: what is saved, how soon, and what goes on from it.
#include <doctest/doctest.h>

#include "base/stop_signals.h"
#include "support/error_text.h"
#include "train/trainer.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;
namespace fs = std::filesystem;

namespace {

// As for a program that a shell starts: neither doctest's handlers nor what we were started with.
void default_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) std::signal(signal, SIG_DFL);
}

// Starts a run with its messages in a file, and signals it once `ready` holds.
struct Stopped {
  int status = -1;
  std::string err;
};
template <class Ready>
Stopped stop_run(std::vector<std::string> command, const std::string& err, int signal,
                 const Ready& ready) {
  std::vector<char*> argv;
  for (std::string& a : command) argv.push_back(a.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    default_signals();
    if (!std::freopen(err.c_str(), "w", stderr)) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  for (int i = 0; i < 6000 && !ready(); ++i) ::usleep(10'000);
  ::kill(child, signal);
  int state = 0;
  ::waitpid(child, &state, 0);
  return {WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state), read_text_file(err)};
}

bool holds_text(const std::string& file, const std::string& text) {
  return fs::exists(file) && contains(read_text_file(file), text);
}

// How a child ends that does this.
template <class Action>
int end_of(const Action& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    default_signals();
    action();
    ::_exit(0);
  }
  int state = 0;
  ::waitpid(child, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

}  // namespace

TEST_CASE("stopped by a signal: the step's checkpoint without validation; resumed, as if never") {
  const Folder f;
  const std::vector<std::string> sets = {"--set", "steps=400", "--set", "checkpoint_every=0"};
  const std::string whole = f.dir.file("whole");
  REQUIRE(test::run_program(train_command(f.run, whole, f.data, sets)).status == 0);
  for (const auto& [signal, name] :
       std::map<int, std::string>{{SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGINT, "SIGINT"}}) {
    CAPTURE(name);
    const std::string out = f.dir.file(name);
    const Stopped stopped =
        stop_run(train_command(f.run, out, f.data, sets), f.dir.file("err"), signal,
                 [&] { return holds_text(out + "/metrics.jsonl", "\"step\":5,"); });
    CAPTURE(stopped.err);
    REQUIRE(stopped.status == 1);
    REQUIRE(RunDirectory(out).steps().size() == 1);
    const i64 step = RunDirectory(out).steps().back();
    CHECK(contains(stopped.err, "stopped by " + name + " after step " + std::to_string(step) +
                                    "; go on with --resume"));
    CHECK(!RunDirectory(out).damage(step));
    CHECK(losses_of(out).rbegin()->first == step);
    CHECK(!holds_text(out + "/metrics.jsonl", "val_loss"));
    auto more = sets;
    more.emplace_back("--resume");
    REQUIRE(test::run_program(train_command(f.run, out, f.data, more)).status == 0);
    for (const char* file : {"model.safetensors", "trainer.safetensors"}) {
      CHECK(bytes_of(out, 400, file) == bytes_of(whole, 400, file));
    }
    CHECK(losses_of(out) == losses_of(whole));
  }
}

TEST_CASE("stopped within the last validation: it is left out, and --resume makes up for it") {
  const Folder f;
  const std::string out = f.dir.file("out"), data = f.dir.file("long");
  prepare(data, small_text(400'000), 1 << 20);  // 2500 windows of validation
  const std::vector<std::string> sets = {
      "--set", "steps=3", "--set", "data.micro_batch=1", "--set", "eval_tokens=1000000000"};
  const Stopped stopped =
      stop_run(train_command(f.run, out, data, sets), f.dir.file("err"), SIGTERM,
               [&] { return holds_text(out + "/metrics.jsonl", "\"step\":3,"); });
  CAPTURE(stopped.err);
  CHECK(stopped.status == 1);
  CHECK(contains(stopped.err, "stopped by SIGTERM after step 3; go on with --resume"));
  CHECK(!holds_text(out + "/metrics.jsonl", "val_loss"));
  CHECK(Json::parse(bytes_of(out, 3, "trainer.json")).at("finished") == false);
  auto more = sets;
  more.emplace_back("--resume");
  const auto resumed = test::run_program(train_command(f.run, out, data, more));
  CHECK(resumed.status == 0);
  CHECK(contains(resumed.err, "done"));
  CHECK(holds_text(out + "/metrics.jsonl", "val_loss"));
  CHECK(Json::parse(bytes_of(out, 3, "trainer.json")).at("finished") == true);
  CHECK(losses_of(out).size() == 3);
}

TEST_CASE("stopped within a long step: it is dropped, and the run ends at once") {
  const Folder f;
  const std::string out = f.dir.file("out"), err = f.dir.file("err");
  // Minutes a step.
  const Stopped stopped =
      stop_run(train_command(f.run, out, f.data,
                             {"--set", "data.global_batch=1000000", "--set", "data.micro_batch=1"}),
               err, SIGTERM, [&] { return holds_text(err, "parameters"); });
  CAPTURE(stopped.err);
  CHECK(stopped.status == 1);
  CHECK(contains(stopped.err, "before the first step was done; nothing is saved"));
  CHECK(losses_of(out).empty());
  CHECK(!holds_run(out));
}

TEST_CASE("a second signal of any kind ends the process at once; ignored ones stay ignored") {
  CHECK(end_of([] {
          const StopSignals signals;
          std::raise(SIGTERM);
          if (!StopSignals::caught() || StopSignals::name() != "SIGTERM") ::_exit(3);
          std::raise(SIGINT);
          ::_exit(4);
        }) == 128 + SIGINT);
  CHECK(end_of([] {
          const StopSignals signals;
          std::raise(SIGHUP);
          if (StopSignals::name() != "SIGHUP") ::_exit(3);
          std::raise(SIGHUP);
        }) == 128 + SIGHUP);
  CHECK(end_of([] {
          std::signal(SIGHUP, SIG_IGN);  // as nohup does
          const StopSignals signals;
          std::raise(SIGHUP);
          std::raise(SIGPIPE);
          if (StopSignals::caught()) ::_exit(3);
        }) == 0);
  CHECK(end_of([] {
          { const StopSignals signals; }
          std::raise(SIGTERM);  // as before
        }) == 128 + SIGTERM);
}

namespace {

// Listens, and asks to stop after an update.
class Listener : public RunObserver {
 public:
  explicit Listener(i64 last) : last_(last) {}
  void say(const std::string& line) override { said += line + "\n"; }
  void step(const StepMetrics& metrics) override { steps.push_back(metrics.step); }
  bool stop_asked() override { return !steps.empty() && steps.back() >= last_; }
  std::string stop_reason() override { return "the listener"; }

  std::string said;
  std::vector<i64> steps;

 private:
  i64 last_;
};

}  // namespace

TEST_CASE("an observer hears every update, and a run that it stops goes on from there") {
  const Folder f;
  RunSpec run = load_run_spec(f.run, {"data.path=" + f.data});
  run.out = f.dir.file("observed");
  Listener first(3);
  CHECK(run_training(run, false, first) == RunEnd::kStopped);
  CHECK(first.steps == std::vector<i64>{1, 2, 3});
  CHECK(contains(first.said, "stopped by the listener after step 3"));
  CHECK(RunDirectory(run.out).steps() == std::vector<i64>{3});
  Listener second(1'000'000);
  CHECK(run_training(run, true, second) == RunEnd::kFinished);
  CHECK(second.steps.front() == 4);
  CHECK(second.steps.back() == run.steps);
}
