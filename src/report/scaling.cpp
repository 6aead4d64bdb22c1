#include "report/scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"

namespace lathe::report {

namespace {

// The points with their logarithms taken once, x relative to its geometric mean: FLOPs of 1e18 to a
// power would lose digits.
struct Sample {
  std::vector<double> log_x, loss, log_loss;
  double shift = 0;  // of log x
  double least = 0;  // min L
};

Sample make_sample(std::span<const ScalingPoint> points) {
  Sample s;
  s.least = std::numeric_limits<double>::max();
  for (const ScalingPoint& p : points) {
    s.log_x.push_back(std::log(p.x));
    s.shift += s.log_x.back() / static_cast<double>(points.size());
    s.loss.push_back(p.loss);
    s.log_loss.push_back(std::log(p.loss));
    s.least = std::min(s.least, p.loss);
  }
  for (double& x : s.log_x) x -= s.shift;
  return s;
}

// The best line through (log x, log(L − c)): intercept log a at the shifted origin, slope −b.
struct Line {
  double intercept = 0, slope = 0;
  double error = 0;  // Σ (log L − log(a x^−b + c))²
};

Line fit_line(const Sample& s, double c) {
  double w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
  for (size_t i = 0; i < s.loss.size(); ++i) {
    const double above = s.loss[i] - c, x = s.log_x[i], y = std::log(above);
    const double weight = above * above / (s.loss[i] * s.loss[i]);
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  Line line;
  line.slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
  line.intercept = (wy - line.slope * wx) / w;
  for (size_t i = 0; i < s.loss.size(); ++i) {
    const double fitted = std::log(std::exp(line.intercept + line.slope * s.log_x[i]) + c);
    line.error += (s.log_loss[i] - fitted) * (s.log_loss[i] - fitted);
  }
  if (!std::isfinite(line.error)) line.error = std::numeric_limits<double>::max();
  return line;
}

// The c ≥ 0 of least error. Searched in t = log((min L − c) / min L), from c = 0 at t = 0 down to a
// c so near min L that the last point would be all irreducible.
double best_floor(const Sample& s) {
  const auto floor_at = [&](double t) { return s.least * (1 - std::exp(t)); };
  const auto error_at = [&](double t) { return fit_line(s, floor_at(t)).error; };
  constexpr int kGrid = 48;
  constexpr double kDeepest = -12;
  const auto grid_at = [](int i) { return kDeepest * i / kGrid; };
  int best = 0;
  double least = std::numeric_limits<double>::max();
  for (int i = 0; i <= kGrid; ++i) {
    const double error = error_at(grid_at(i));
    if (error < least) {
      least = error;
      best = i;
    }
  }
  double low = grid_at(std::min(best + 1, kGrid)), high = grid_at(std::max(best - 1, 0));
  constexpr double kGolden = 0.6180339887498949;
  double left = high - kGolden * (high - low), right = low + kGolden * (high - low);
  double at_left = error_at(left), at_right = error_at(right);
  for (int i = 0; i < 48; ++i) {  // 0.618^48 = 1e-10 of a cell
    if (at_left < at_right) {
      high = right;
      right = left;
      at_right = at_left;
      left = high - kGolden * (high - low);
      at_left = error_at(left);
    } else {
      low = left;
      left = right;
      at_left = at_right;
      right = low + kGolden * (high - low);
      at_right = error_at(right);
    }
  }
  const double inner = (low + high) / 2;
  // The minimum may be the edge c = 0 itself, which golden section only approaches.
  return error_at(inner) <= error_at(0) ? floor_at(inner) : 0;
}

std::vector<ScalingPoint> draw(std::span<const ScalingPoint> points, const Random& random,
                               uint64_t& next) {
  std::vector<ScalingPoint> drawn(points.size());
  do {
    for (ScalingPoint& p : drawn) p = points[random.bits(next++) % points.size()];
  } while (count_sizes(drawn) < kLeastSizes);
  return drawn;
}

std::optional<Interval> percentiles(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return Interval{at(0.025), at(0.975)};
}

}  // namespace

double PowerLaw::at(double x) const { return a * std::pow(x, -b) + c; }

i64 count_sizes(std::span<const ScalingPoint> points) {
  std::vector<double> x;
  for (const ScalingPoint& p : points) x.push_back(p.x);
  std::sort(x.begin(), x.end());
  i64 n = 0;
  double from = 0;
  for (const double value : x) {
    if (n == 0 || value > from * 1.01) {
      ++n;
      from = value;
    }
  }
  return n;
}

std::optional<PowerLaw> fit_power_law(std::span<const ScalingPoint> points, std::string* why_not) {
  for (const ScalingPoint& p : points) {
    LATHE_CHECK(p.x > 0 && p.loss > 0 && std::isfinite(p.x) && std::isfinite(p.loss));
  }
  const i64 n_sizes = count_sizes(points);
  if (n_sizes < kLeastSizes) {
    *why_not = format("needs three sizes, has {}", n_sizes);
    return std::nullopt;
  }
  const Sample sample = make_sample(points);
  const double c = best_floor(sample);
  const Line line = fit_line(sample, c);
  const PowerLaw law = {std::exp(line.intercept - line.slope * sample.shift), -line.slope, c};
  if (!(law.b > 0 && std::isfinite(law.a))) {
    *why_not = "the loss does not fall with size";
    return std::nullopt;
  }
  return law;
}

ScalingFit fit_scaling(std::span<const ScalingPoint> points, i64 n_resamples) {
  ScalingFit fit;
  fit.n_points = static_cast<i64>(points.size());
  fit.n_sizes = count_sizes(points);
  fit.law = fit_power_law(points, &fit.why_not);
  if (!fit.law) return fit;
  double squares = 0;
  for (const ScalingPoint& p : points) {
    const double error = std::log(p.loss) - std::log(fit.law->at(p.x));
    squares += error * error;
  }
  fit.log_error = std::sqrt(squares / static_cast<double>(fit.n_points));
  if (fit.n_points == kLeastSizes) return fit;
  const Random random(0, RandomUse::kResample);
  uint64_t next = 0;
  std::string ignored;
  for (i64 i = 0; i < n_resamples; ++i) {
    if (const auto law = fit_power_law(draw(points, random, next), &ignored)) {
      fit.resampled.push_back(*law);
    }
  }
  return fit;
}

std::optional<Interval> parameter_interval(const ScalingFit& fit, double PowerLaw::*parameter) {
  std::vector<double> values;
  for (const PowerLaw& law : fit.resampled) values.push_back(law.*parameter);
  return percentiles(std::move(values));
}

std::optional<Interval> loss_interval(const ScalingFit& fit, double x) {
  std::vector<double> values;
  for (const PowerLaw& law : fit.resampled) values.push_back(law.at(x));
  return percentiles(std::move(values));
}

}  // namespace lathe::report
