// One line on stderr that says how far a long command is: rewritten in place on a terminal, a new
// line every ten seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/terminal_line.h"

namespace lathe {

class ProgressLine {
 public:
  // True when it is time for show(): twice a second on a terminal.
  bool is_due() const {
    return Clock::now() - last_ >= (line_.is_terminal() ? std::chrono::milliseconds(500)
                                                        : std::chrono::milliseconds(10'000));
  }
  void show(const std::string& text) {
    line_.show(text);
    if (!line_.is_terminal()) std::fprintf(stderr, "%s\n", one_line(text).c_str());
    last_ = Clock::now();
  }
  // Leaves an empty line for what comes next.
  void clear() { line_.clear(); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  TerminalLine line_{stderr};
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace lathe
