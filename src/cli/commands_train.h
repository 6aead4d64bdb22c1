// The subcommands of lathe-train; see commands.h.
#pragma once

namespace lathe {

int cmd_train(int argc, char** argv);
int cmd_factorize(int argc, char** argv);
int cmd_bench(int argc, char** argv);

}  // namespace lathe
