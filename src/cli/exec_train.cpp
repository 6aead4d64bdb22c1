#include "cli/exec_train.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "core/error.h"

namespace lathe {

int exec_train(int argc, char** argv) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail("[cli] cannot read /proc/self/exe: {}", error.message());
  const std::string program = (self.parent_path() / "lathe-train").string();
  if (!std::filesystem::exists(program, error)) {
    fail("[{}] {} is missing: this build has no LibTorch; build with scripts/build", argv[0],
         program);
  }
  std::vector<char*> arguments = {const_cast<char*>(program.c_str())};
  arguments.insert(arguments.end(), argv, argv + argc);
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  execv(program.c_str(), arguments.data());
  fail_errno("[cli] cannot start " + program);
}

}  // namespace lathe
