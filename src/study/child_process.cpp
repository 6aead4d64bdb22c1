#include "study/child_process.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "base/error.h"

namespace lathe::study {

ChildProcesses::ChildProcesses() {
  // Where a parent has left SIGCHLD ignored, children vanish unseen.
  std::signal(SIGCHLD, SIG_DFL);
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&signals_, signal);
  sigprocmask(SIG_BLOCK, &signals_, &mask_before_);
}

ChildProcesses::~ChildProcesses() { sigprocmask(SIG_SETMASK, &mask_before_, nullptr); }

int ChildProcesses::run(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail_errno("[cli] cannot start " + arguments[0]);
  if (child == 0) {
    // A group of its own: else the terminal's Ctrl-C would reach it beside the one we pass on, and
    // a second one ends it at once, without a checkpoint.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(128 + SIGTERM);  // we died before the line above
    dup2(STDERR_FILENO, STDOUT_FILENO);
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    execv(argv[0], argv.data());
    std::fprintf(stderr, "lathe: cannot start %s\n", argv[0]);
    _exit(127);
  }
  for (;;) {
    int state = 0;
    const pid_t ended = waitpid(child, &state, WNOHANG);
    if (ended < 0 && errno != EINTR) fail_errno("[cli] lost sight of " + arguments[0]);
    if (ended == child) return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    const int signal = sigwaitinfo(&signals_, nullptr);
    if (signal == SIGINT || signal == SIGTERM) {
      stopped_ = true;
      kill(child, signal);
    }
  }
}

bool ChildProcesses::stopped(int milliseconds) {
  const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  for (int signal; (signal = sigtimedwait(&signals_, nullptr, &time)) > 0;) {
    stopped_ |= signal != SIGCHLD;
    if (stopped_) break;
  }
  return stopped_;
}

}  // namespace lathe::study
