// What is drawn of a run's thousands of steps: a smoothed curve of a few hundred points, and the
// steps at which the loss jumped.
#pragma once

#include <span>
#include <vector>

#include "run/metrics_log.h"

namespace lathe::report {

struct CurvePoint {
  i64 step = 0;
  double tokens = 0, flops = 0;
  double loss = 0;   // smoothed; NaN where no step nearby has a loss
  double alpha = 0;  // of this very step
};

// At most about `most` of the steps, dense both on a linear and on a logarithmic axis, always with
// the first and the last. The loss is the mean over the steps within 5 % of the step's number: a
// window that grows with the step hides noise late and does not smear the steep beginning.
std::vector<CurvePoint> smoothed_curve(std::span<const StepLine> steps, i64 most);

struct Spike {
  i64 step = 0;
  double tokens = 0, flops = 0;
  double loss = 0, median = 0;  // median: of the window before
};

constexpr i64 kSpikeWindow = 100;  // steps before, with a loss
constexpr i64 kSpikeLeast = 20;    // fewer say too little of what is usual
constexpr double kSpikeDeviations = 5;

// Steps whose loss exceeds the median of the kSpikeWindow losses before by more than
// kSpikeDeviations robust standard deviations (1.4826 × the median absolute deviation, which is the
// standard deviation where the losses are normal, and which earlier spikes do not inflate).
std::vector<Spike> find_spikes(std::span<const StepLine> steps);

}  // namespace lathe::report
