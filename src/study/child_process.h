// Running programs one after another so that Ctrl-C and SIGTERM reach the one that runs, once.
#pragma once

#include <csignal>
#include <string>
#include <vector>

namespace lathe::study {

// Takes SIGINT, SIGTERM and SIGCHLD out of the ordinary way while it lives: one at a time, in a
// process without other threads.
class ChildProcesses {
 public:
  ChildProcesses();
  ~ChildProcesses();
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;

  // Runs the program to its end: its exit status, or 128 + the signal that ended it. Its standard
  // output is our standard error. SIGINT and SIGTERM are passed on. It is sent SIGTERM if we die.
  int run(std::vector<std::string> arguments);

  // Whether a SIGINT or SIGTERM has come, during a run or since, or comes within the time.
  bool stopped(int milliseconds = 0);

 private:
  sigset_t signals_, mask_before_;
  bool stopped_ = false;
};

}  // namespace lathe::study
