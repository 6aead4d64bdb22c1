// lathe train RUN.toml: trains a model.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands_train.h"
#include "cli/output.h"
#include "train/trainer.h"

namespace lathe {

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
  return train::run_training(run, resume) == train::RunEnd::kFinished ? 0 : 1;
}

}  // namespace lathe
