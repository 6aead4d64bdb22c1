#include "report/curves.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "base/median.h"

namespace lathe::report {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Indices into `n` steps: half of `most` evenly, half evenly in the logarithm.
std::vector<size_t> sample_positions(size_t n, i64 most) {
  std::vector<size_t> at;
  const auto last = static_cast<double>(n - 1);
  const i64 half = std::max<i64>(most / 2, 2);
  for (i64 i = 0; i < half; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(half - 1);
    at.push_back(static_cast<size_t>(std::lround(share * last)));
    at.push_back(static_cast<size_t>(std::lround(std::expm1(share * std::log1p(last)))));
  }
  std::sort(at.begin(), at.end());
  at.erase(std::unique(at.begin(), at.end()), at.end());
  return at;
}

}  // namespace

std::vector<CurvePoint> smoothed_curve(std::span<const StepLine> steps, i64 most) {
  std::vector<CurvePoint> curve;
  if (steps.empty()) return curve;
  // Sums and counts of the finite losses before each step.
  std::vector<double> sum(steps.size() + 1, 0), count(steps.size() + 1, 0);
  for (size_t i = 0; i < steps.size(); ++i) {
    const bool finite = std::isfinite(steps[i].loss);
    sum[i + 1] = sum[i] + (finite ? steps[i].loss : 0);
    count[i + 1] = count[i] + (finite ? 1 : 0);
  }
  const auto first_from = [&](double step) {
    return static_cast<size_t>(std::partition_point(steps.begin(), steps.end(),
                                                    [&](const StepLine& s) {
                                                      return static_cast<double>(s.step) < step;
                                                    }) -
                               steps.begin());
  };
  for (const size_t i : sample_positions(steps.size(), most)) {
    const StepLine& s = steps[i];
    const auto number = static_cast<double>(s.step);
    const size_t from = std::min(first_from(number / 1.05), i);
    const size_t to = std::max(first_from(number * 1.05), i + 1);
    const double n = count[to] - count[from];
    curve.push_back({s.step, s.tokens, s.flops, n > 0 ? (sum[to] - sum[from]) / n : kNan, s.alpha});
  }
  return curve;
}

std::vector<Spike> find_spikes(std::span<const StepLine> steps) {
  std::vector<Spike> spikes;
  std::deque<double> window;   // in the order of the steps
  std::vector<double> sorted;  // the same, ascending
  for (const StepLine& s : steps) {
    if (!std::isfinite(s.loss)) continue;
    if (static_cast<i64>(sorted.size()) >= kSpikeLeast) {
      const size_t middle = sorted.size() / 2;
      const double usual =
          sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
      if (s.loss > usual) {
        std::vector<double> away;
        away.reserve(sorted.size());
        for (const double x : sorted) away.push_back(std::abs(x - usual));
        // A window of equal losses has no deviation; a rounding error is no spike.
        const double deviation = std::max(1.4826 * median(std::move(away)), 1e-6 * std::abs(usual));
        if (s.loss > usual + kSpikeDeviations * deviation) {
          spikes.push_back({s.step, s.tokens, s.flops, s.loss, usual});
        }
      }
    }
    window.push_back(s.loss);
    sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), s.loss), s.loss);
    if (static_cast<i64>(window.size()) > kSpikeWindow) {
      sorted.erase(std::lower_bound(sorted.begin(), sorted.end(), window.front()));
      window.pop_front();
    }
  }
  return spikes;
}

}  // namespace lathe::report
