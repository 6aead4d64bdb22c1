#include "cli/exec_train.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/library_environment.h"

namespace lathe {

std::string train_program(const std::string& command) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail("[cli] cannot read /proc/self/exe: {}", error.message());
  std::string program = (self.parent_path() / "lathe-train").string();
  if (!std::filesystem::exists(program, error)) {
    fail("[{}] {} is missing: this build has no LibTorch; build with scripts/build", command,
         program);
  }
  return program;
}

int exec_train(int argc, char** argv) {
  const std::string program = train_program(argv[0]);
  std::vector<char*> arguments = {const_cast<char*>(program.c_str())};
  arguments.insert(arguments.end(), argv, argv + argc);
  arguments.push_back(nullptr);
  set_library_environment();
  std::fflush(nullptr);
  execv(program.c_str(), arguments.data());
  fail_errno("[cli] cannot start " + program);
}

}  // namespace lathe
