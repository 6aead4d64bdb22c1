// Power laws of scale: L(x) = a · x^−b + c, where L is a final loss, x what was spent on it
// (training FLOPs, or parameters), and c what no amount of x removes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/numeric.h"

namespace lathe::report {

// One run.
struct ScalingPoint {
  double x = 0, loss = 0;  // both positive and finite
};

struct PowerLaw {
  double a = 0, b = 0, c = 0;
  double at(double x) const;
};

struct Interval {
  double low = 0, high = 0;
};

struct ScalingFit {
  std::optional<PowerLaw> law;  // absent: see why_not
  std::string why_not;
  i64 n_points = 0;
  i64 n_sizes = 0;  // distinct x
  // Root mean square of log L − log L(x): 0.01 is one percent.
  double log_error = 0;
  // Fits to resampled runs; empty where resampling has no freedom (see bootstrap below).
  std::vector<PowerLaw> resampled;
};

constexpr i64 kLeastSizes = 3;  // a, b and c are three numbers

// Points whose x differ by less than 1 % count as one size: the FLOPs of two seeds differ a little
// where the guide of self-guided training is drawn at random.
i64 count_sizes(std::span<const ScalingPoint> points);

// Least squares in log L, as in Hoffmann et al. 2022 (approach 3) with one variable: minimises
//   Σ_i (log L_i − log(a · x_i^−b + c))²,   0 ≤ c < min L.
// For a given c the law is a line, log(L − c) = log a − b · log x, which weighted linear least
// squares solve at once; the weights ((L − c) / L)² turn an error of log(L − c) into the error of
// log L it stands for, without which c → −∞ would win. What is left is one dimension: a grid over
// log(min L − c), then golden section between the best point's neighbours. No starting values, no
// step sizes, the same result every time.
//
// Refused (why_not) with fewer than three sizes and where the loss does not fall with x.
std::optional<PowerLaw> fit_power_law(std::span<const ScalingPoint> points, std::string* why_not);

// The fit and `n_resamples` more, each to as many runs drawn with replacement (the bootstrap),
// redrawn until three sizes are among them. With as many runs as sizes and three of these, every
// draw is the sample itself, and there is no interval. Depends on nothing but its arguments.
ScalingFit fit_scaling(std::span<const ScalingPoint> points, i64 n_resamples);

// 95 %: between the 2.5th and the 97.5th percentile, of one parameter of the law over the resamples
// or of the loss it gives at x. Nothing where there are no resamples.
std::optional<Interval> parameter_interval(const ScalingFit& fit, double PowerLaw::*parameter);
std::optional<Interval> loss_interval(const ScalingFit& fit, double x);

}  // namespace lathe::report
