// What a run says while it goes: metrics.jsonl, one object a step, and lines for people.
#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "base/numeric.h"
#include "base/terminal_line.h"

namespace lathe::train {

struct StepMetrics {
  i64 step = 0, steps = 0;  // step counts from 1 once it is done
  i64 tokens = 0;           // seen so far
  double loss = 0;          // mean over the step's tokens, nats
  double lr = 0, grad_norm = 0;
  double tokens_per_s = 0;
  double peak_share = 0;  // model FLOPs a second over the measured matrix-product peak
  double flops = 0;       // so far
  double ms = 0;
  bool skipped = false;
  std::optional<double> alpha;  // in guided steps
};

// Appends to metrics.jsonl: one flushed line a call.
class MetricsFile {
 public:
  // Keeps the lines of steps ≤ keep_steps (a resumed run repeats what came after); an unfinished
  // last line is dropped. keep_steps = 0 starts anew.
  MetricsFile(const std::string& path, i64 keep_steps);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  void step(const StepMetrics& m);
  void validation(i64 step, double loss, double bits_per_byte);

 private:
  void line(const std::string& text);
  std::string path_;
  std::FILE* file_ = nullptr;
};

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

}  // namespace lathe::train
