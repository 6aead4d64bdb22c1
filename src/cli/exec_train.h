// The commands that need LibTorch live in another program, so that `lathe` itself starts at once
// and links none of it.
#pragma once

#include <string>

namespace lathe {

// The path of the `lathe-train` beside this program. Error naming `command` where it is missing.
std::string train_program(const std::string& command);

// Replaces this process by it, with the same subcommand (argv[0]) and arguments; returns only by
// throwing Error, when it is missing or cannot be started.
int exec_train(int argc, char** argv);

}  // namespace lathe
