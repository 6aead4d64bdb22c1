#include "weights/allocation.h"

#include <doctest/doctest.h>

#include <limits>

#include "base/rng.h"
#include "support/error_text.h"

using namespace lathe;

namespace {

using Items = std::vector<std::vector<SizeChoice>>;

Items random_items(uint64_t seed, size_t n, size_t choices, i64 scale) {
  const Random random(seed, RandomUse::kMixture);
  Items items(n);
  uint64_t at = 0;
  for (auto& item : items) {
    for (size_t c = 0; c < choices; ++c) {
      const i64 cost = scale * static_cast<i64>(1 + random.bits(at++) % 20);
      item.push_back({cost, random.uniform(at++)});
    }
  }
  return items;
}

double error_of(const Items& items, const std::vector<size_t>& chosen, i64& cost) {
  double error = 0;
  cost = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    error += items[i][chosen[i]].error;
    cost += items[i][chosen[i]].cost;
  }
  return error;
}

// Every combination.
double best_of_all(const Items& items, i64 budget) {
  double best = std::numeric_limits<double>::infinity();
  std::vector<size_t> chosen(items.size(), 0);
  for (;;) {
    i64 cost = 0;
    const double error = error_of(items, chosen, cost);
    if (cost <= budget) best = std::min(best, error);
    size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].size()) chosen[i++] = 0;
    if (i == items.size()) return best;
  }
}

}  // namespace

TEST_CASE("allocation: no combination within the budget is better") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Items items = random_items(seed, 6, 4, 1);
    for (const i64 budget : {30, 50, 80, 200}) {
      const double best = best_of_all(items, budget);
      if (best > 1e9) continue;  // nothing fits
      i64 cost = 0;
      CHECK(error_of(items, allocate(items, budget), cost) == doctest::Approx(best));
      CHECK(cost <= budget);
    }
  }
}

TEST_CASE("allocation: costs of millions stay within the budget and near the optimum") {
  const Items items = random_items(5, 7, 4, 1'000'003);
  for (const i64 budget : {40'000'000, 70'000'000}) {
    i64 cost = 0;
    const double error = error_of(items, allocate(items, budget), cost);
    CHECK(cost <= budget);
    CHECK(error <= best_of_all(items, budget) * 1.001);
  }
}

TEST_CASE("allocation: a budget below the smallest sizes is refused, one at them is met") {
  const Items items = {{{5, 0.1}, {9, 0}}, {{7, 0.2}}};
  CHECK(allocate(items, 12) == std::vector<size_t>{0, 0});
  CHECK(allocate(items, 16) == std::vector<size_t>{1, 0});
  CHECK(test::contains(test::error_text([&] { allocate(items, 11); }), "12"));
}
