#include "weights/allocation.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace lathe {

namespace {

constexpr i64 kSteps = 1 << 15;

i64 total_cost(const std::vector<std::vector<SizeChoice>>& items,
               const std::vector<size_t>& chosen) {
  i64 cost = 0;
  for (size_t i = 0; i < items.size(); ++i) cost += items[i][chosen[i]].cost;
  return cost;
}

std::vector<size_t> cheapest(const std::vector<std::vector<SizeChoice>>& items) {
  std::vector<size_t> chosen;
  for (const auto& choices : items) {
    LATHE_CHECK(!choices.empty());
    const auto least =
        std::min_element(choices.begin(), choices.end(),
                         [](const SizeChoice& a, const SizeChoice& b) { return a.cost < b.cost; });
    chosen.push_back(static_cast<size_t>(least - choices.begin()));
  }
  return chosen;
}

// Takes the change that lowers the error most while it fits, again and again.
void spend_rest(const std::vector<std::vector<SizeChoice>>& items, i64 budget,
                std::vector<size_t>& chosen) {
  i64 left = budget - total_cost(items, chosen);
  for (;;) {
    double gain = 0;
    size_t item = 0, choice = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      const SizeChoice& now = items[i][chosen[i]];
      for (size_t c = 0; c < items[i].size(); ++c) {
        const SizeChoice& other = items[i][c];
        if (other.cost - now.cost > left || now.error - other.error <= gain) continue;
        gain = now.error - other.error;
        item = i;
        choice = c;
      }
    }
    if (gain <= 0) return;
    left -= items[item][choice].cost - items[item][chosen[item]].cost;
    chosen[item] = choice;
  }
}

}  // namespace

std::vector<size_t> allocate(const std::vector<std::vector<SizeChoice>>& items, i64 budget) {
  const std::vector<size_t> least = cheapest(items);
  if (total_cost(items, least) > budget) {
    fail("[allocate] the smallest sizes have {} parameters together, and the share leaves {}",
         total_cost(items, least), budget);
  }
  // Dynamic programming over what is spent, in steps that are rounded up.
  const i64 step = std::max<i64>(1, (budget + kSteps - 1) / kSteps);
  const auto width = static_cast<size_t>(budget / step) + 1;
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<double> best(width, 0), next(width);
  std::vector<std::vector<uint16_t>> taken(items.size(), std::vector<uint16_t>(width, 0));
  for (size_t i = 0; i < items.size(); ++i) {
    std::fill(next.begin(), next.end(), kNever);
    for (size_t c = 0; c < items[i].size(); ++c) {
      const auto cost = static_cast<size_t>((items[i][c].cost + step - 1) / step);
      for (size_t spent = cost; spent < width; ++spent) {
        const double error = best[spent - cost] + items[i][c].error;
        if (error >= next[spent]) continue;
        next[spent] = error;
        taken[i][spent] = static_cast<uint16_t>(c);
      }
    }
    std::swap(best, next);
  }
  std::vector<size_t> chosen = least;  // where rounding up leaves no way
  if (best[width - 1] < kNever) {
    size_t spent = width - 1;
    for (size_t i = items.size(); i-- > 0;) {
      chosen[i] = taken[i][spent];
      spent -= static_cast<size_t>((items[i][chosen[i]].cost + step - 1) / step);
    }
  }
  spend_rest(items, budget, chosen);
  return chosen;
}

}  // namespace lathe
