// One line on stderr that says how far a long command is: rewritten in place on a terminal, a new
// line every ten seconds elsewhere.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace lathe {

class ProgressLine {
 public:
  ~ProgressLine() { clear(); }

  // True when it is time for show(): twice a second on a terminal.
  bool is_due() const {
    return Clock::now() - last_ >=
           (terminal_ ? std::chrono::milliseconds(500) : std::chrono::milliseconds(10'000));
  }
  void show(const std::string& text) {
    std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", text.c_str());
    std::fflush(stderr);
    last_ = Clock::now();
    shown_ = terminal_;
  }
  // Leaves an empty line for what comes next.
  void clear() {
    if (shown_) std::fputs("\r\033[K", stderr);
    shown_ = false;
  }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace lathe
