// A run's metrics.jsonl, one object a line: written while it trains, and read back as numbers. What
// is read comes from outside: every line is checked.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace lathe {

// One update. A number that is null in the file (JSON has no NaN) or absent is NaN.
struct StepLine {
  i64 step = 0;
  double tokens = 0;  // seen so far
  double loss = 0;    // nats a token
  double tokens_per_s = 0;
  double flops = 0;  // spent so far
  double alpha = 0;  // weight of the guide; NaN outside the self-guided phase
  bool skipped = false;
};

struct ValidationLine {
  i64 step = 0;
  double loss = 0, bits_per_byte = 0;
};

struct MetricsLog {
  std::vector<StepLine> steps;  // strictly ascending
  std::vector<ValidationLine> validations;
  bool cut = false;  // the last line has no end: the run is still writing, or was killed
};

// Error naming `where` and the line when a line is no JSON object, lacks its step, holds a value of
// another type or out of range, or goes back in steps. Keys it does not know are left alone, so
// that a newer lathe may write more.
MetricsLog parse_metrics(std::string_view text, const std::string& where);

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
  std::optional<double> kl;     // mean of KL(teacher ‖ student), nats, where logits are learnt
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
  // The figures of a task, a JSON object.
  void benchmark(i64 step, const std::string& task, const Json& figures);

 private:
  void line(const std::string& text);
  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace lathe
