// Runs a program as a user would: arguments in, exit status and both outputs back.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace lathe::test {

struct ProgramResult {
  int status = -1;  // exit status; 128 + signal when killed by one
  std::string out, err;
};

// Waits until it ends. `input` is its standard input. No shell is involved.
inline ProgramResult run_program(std::vector<std::string> arguments,
                                 const std::string& input = "") {
  const TempDir folder;
  const auto read = [&](const char* name) {
    std::ifstream in(folder.file(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  std::ofstream(folder.file("in"), std::ios::binary) << input;
  const int in = ::open(folder.file("in").c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(folder.file("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int err = ::open(folder.file("err").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (in < 0 || out < 0 || err < 0) throw std::runtime_error("cannot open files for a program");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  for (const int fd : {in, out, err}) ::close(fd);
  int state = 0;
  if (child < 0 || ::waitpid(child, &state, 0) != child) throw std::runtime_error("cannot fork");
  const int status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return {status, read("out"), read("err")};
}

// The `lathe` of this build.
inline ProgramResult run_lathe(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), LATHE_BIN_DIR "/lathe");
  return run_program(std::move(arguments), input);
}

}  // namespace lathe::test
