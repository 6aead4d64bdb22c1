// lathe bench: measures of speed, one file each.
#include "cli/bench_options.h"
#include "cli/commands_train.h"

namespace lathe {

int cmd_bench(int argc, char** argv) {
  CLI::App app("Measure speed.", "lathe bench");
  app.require_subcommand(1);
  add_bench_ffn(app);
  add_bench_train(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  return 0;
}

}  // namespace lathe
