// The lines of a run's metrics.jsonl, as numbers. The file comes from outside: every line is
// checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/numeric.h"

namespace lathe::report {

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

}  // namespace lathe::report
