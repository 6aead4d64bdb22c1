// The commands that need LibTorch live in another program, so that `lathe` itself starts at once
// and links none of it.
#pragma once

namespace lathe {

// Replaces this process by the `lathe-train` beside it, with the same subcommand (argv[0]) and
// arguments; returns only by throwing Error, when it is missing or cannot be started.
int exec_train(int argc, char** argv);

}  // namespace lathe
