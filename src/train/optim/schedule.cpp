#include "train/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lathe::train {

i64 share_or_steps(double value, i64 steps) {
  const double count = value < 1 ? value * static_cast<double>(steps) : value;
  return std::min(static_cast<i64>(count), steps);
}

double learning_rate(const ScheduleSpec& schedule, double peak, i64 step, i64 steps) {
  const i64 warmup = share_or_steps(schedule.warmup, steps);
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double low = peak * schedule.min_lr;
  const auto progress = [&](i64 from) {
    return std::clamp(
        static_cast<double>(step - from) / static_cast<double>(std::max<i64>(1, steps - from)), 0.0,
        1.0);
  };
  switch (schedule.kind) {
    case ScheduleKind::kCosine:
      return low + (peak - low) * (1 + std::cos(std::numbers::pi * progress(warmup))) / 2;
    case ScheduleKind::kLinear:
      return peak + (low - peak) * progress(warmup);
    case ScheduleKind::kWsd: {
      const i64 from = std::max(warmup, steps - share_or_steps(schedule.cooldown, steps));
      return step < from ? peak : low + (peak - low) * (1 - std::sqrt(progress(from)));
    }
  }
  return peak;
}

}  // namespace lathe::train
