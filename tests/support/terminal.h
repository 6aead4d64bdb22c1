// A terminal that remembers what it was shown.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace lathe::test {

class Terminal {
 public:
  explicit Terminal(int columns) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = static_cast<unsigned short>(columns);
    if (::openpty(&ours_, &theirs_, nullptr, nullptr, &size) != 0) {
      throw std::runtime_error("cannot open a terminal");
    }
    for (const int fd : {ours_, theirs_}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  ~Terminal() {
    ::close(ours_);
    if (theirs_ >= 0) ::close(theirs_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int side_of_program() const { return theirs_; }
  void resize(int columns) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = static_cast<unsigned short>(columns);
    ::ioctl(ours_, TIOCSWINSZ, &size);
  }
  // What has been written to it and not read yet; waits that long for more.
  std::string read(int milliseconds = 0) {
    std::string text;
    pollfd ready = {ours_, POLLIN, 0};
    while (::poll(&ready, 1, milliseconds) == 1) {
      char chunk[4096];
      const ssize_t got = ::read(ours_, chunk, sizeof chunk);
      if (got <= 0) break;
      text.append(chunk, static_cast<size_t>(got));
    }
    return text;
  }
  // Runs a program with this as its standard error until it ends: what it wrote. Its other output
  // is dropped.
  std::string run(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("TERM", "xterm", 1);
      const int nothing = ::open("/dev/null", O_RDWR);
      ::dup2(nothing, 0);
      ::dup2(nothing, 1);
      ::dup2(theirs_, 2);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    std::string text;
    int state = 0;
    while (::waitpid(child, &state, WNOHANG) == 0) text += read(20);
    text += read();
    status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    return text;
  }
  int status = -1;  // of the last run

 private:
  int ours_ = -1, theirs_ = -1;
};

// The rows that are left on a screen of any width, and all that were drawn and erased.
struct Screen {
  std::vector<std::string> rows, erased;
};
inline Screen screen_after(const std::string& written) {
  const std::string erase = "\r\033[K";
  Screen screen;
  std::string row;
  for (size_t i = 0; i < written.size(); ++i) {
    if (written.compare(i, erase.size(), erase) == 0) {
      if (!row.empty()) screen.erased.push_back(row);
      row.clear();
      i += erase.size() - 1;
    } else if (written[i] == '\n') {
      screen.rows.push_back(row);
      row.clear();
    } else if (written[i] != '\r') {
      row += written[i];
    }
  }
  if (!row.empty()) screen.rows.push_back(row);
  return screen;
}

}  // namespace lathe::test
