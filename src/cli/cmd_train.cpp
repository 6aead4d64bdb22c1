// lathe train RUN.toml: trains a model.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/stop_signals.h"
#include "cli/commands_train.h"
#include "cli/output.h"
#include "run/progress.h"
#include "train/trainer.h"

namespace lathe {

namespace {

// Progress on stderr; stops on a signal.
class TerminalObserver : public train::RunObserver {
 public:
  explicit TerminalObserver(i64 log_every) : progress_(log_every, stderr) {}
  void say(const std::string& line) override { progress_.say(line); }
  void step(const StepMetrics& metrics) override { progress_.step(metrics); }
  bool stop_asked() override { return StopSignals::caught(); }
  std::string stop_reason() override { return std::string(StopSignals::name()); }

 private:
  StopSignals signals_;
  Progress progress_;
};

}  // namespace

int cmd_train(int argc, char** argv) {
  CLI::App app("Train a model as a run file says.", "lathe train");
  std::string path;
  std::vector<std::string> overrides;
  bool resume = false, print_config = false;
  app.add_option("RUN", path, "run file (.toml or .json)");
  app.add_option("--set", overrides, "KEY=VALUE: override any key, dotted (optimizer.lr=1e-3)")
      ->allow_extra_args(false);
  app.add_flag("--resume", resume, "go on from the newest whole checkpoint of the run directory");
  app.add_flag("--print-config", print_config,
               "show every key as resolved, with its help; no training");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  if (path.empty() && !print_config) throw CLI::RequiredError("RUN");

  const RunSpec run = load_run_spec(path, overrides);
  if (print_config) {
    print(print_toml(run));
    return 0;
  }
  TerminalObserver observer(run.log_every);
  return train::run_training(run, resume, observer) == train::RunEnd::kFinished ? 0 : 1;
}

}  // namespace lathe
