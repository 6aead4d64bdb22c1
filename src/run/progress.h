// How far a run is, for people: lines, or one line that is rewritten.
#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "base/terminal_line.h"
#include "run/metrics_log.h"

namespace lathe {

// How far a run is, in at most `columns` columns: a bar where there is room, then ever fewer
// numbers. `seconds_left` of training.
std::string progress_text(const StepMetrics& m, double seconds_left, int columns);

// On a terminal one line that is rewritten; elsewhere a plain line every `log_every` steps.
class Progress {
 public:
  Progress(i64 log_every, std::FILE* out);
  void step(const StepMetrics& m);
  // A line of its own, in place of the one that is rewritten. Made safe as by one_line().
  void say(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  i64 log_every_;
  std::FILE* out_;
  TerminalLine line_;
  std::optional<Clock::time_point> shown_;
  double smoothed_loss_ = 0, smoothed_ms_ = 0;
  bool started_ = false;
};

}  // namespace lathe
