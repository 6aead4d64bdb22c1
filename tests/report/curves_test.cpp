#include "report/curves.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/median.h"
#include "base/rng.h"

using namespace lathe;
using namespace lathe::report;
using lathe::i64;
using lathe::median;
using lathe::Random;
using lathe::RandomUse;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

StepLine line(i64 step, double loss) {
  StepLine s;
  s.step = step;
  s.loss = loss;
  s.tokens = 10.0 * static_cast<double>(step);
  s.flops = 100.0 * static_cast<double>(step);
  s.alpha = kNan;
  return s;
}

std::vector<StepLine> noisy(i64 n, uint64_t seed) {
  const Random random(seed, RandomUse::kSampling);
  std::vector<StepLine> steps;
  for (i64 i = 1; i <= n; ++i) {
    steps.push_back(line(i, 2 + 5 / std::sqrt(static_cast<double>(i)) +
                                0.05 * random.normal(static_cast<uint64_t>(i))));
  }
  return steps;
}

double sorted_median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  const size_t n = x.size();
  return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

// The definition, with everything sorted anew at every step.
std::vector<i64> spikes_by_definition(const std::vector<StepLine>& steps) {
  std::vector<i64> found;
  std::vector<double> before;
  for (const StepLine& s : steps) {
    if (!std::isfinite(s.loss)) continue;
    if (before.size() >= 20) {
      const std::vector<double> last(before.end() - std::min<i64>(100, std::ssize(before)),
                                     before.end());
      const double middle = sorted_median(last);
      std::vector<double> away;
      for (const double x : last) away.push_back(std::abs(x - middle));
      if (s.loss > middle + 5 * 1.4826 * sorted_median(away)) found.push_back(s.step);
    }
    before.push_back(s.loss);
  }
  return found;
}

}  // namespace

TEST_CASE(
    "curve: each point is the mean over the steps within 5 % of it, first and last included") {
  std::vector<StepLine> steps = noisy(5000, 1);
  steps[2000].loss = kNan;  // skipped in means
  const auto curve = smoothed_curve(steps, 320);
  REQUIRE(curve.size() > 200);
  CHECK(curve.size() <= 320);
  CHECK(curve.front().step == 1);
  CHECK(curve.back().step == 5000);
  for (const CurvePoint& p : curve) {
    double sum = 0, n = 0;
    for (const StepLine& s : steps) {
      const double ratio = static_cast<double>(s.step) / static_cast<double>(p.step);
      if (s.step != p.step && !(ratio >= 1 / 1.05 && ratio < 1.05)) continue;
      if (!std::isfinite(s.loss)) continue;
      sum += s.loss;
      n += 1;
    }
    CHECK(p.loss == doctest::Approx(sum / n).epsilon(1e-10));
    CHECK(p.tokens == 10.0 * static_cast<double>(p.step));
  }
}

TEST_CASE("curve: short runs keep every step, an empty one has none") {
  CHECK(smoothed_curve(std::vector<StepLine>{}, 320).empty());
  const auto one = smoothed_curve(noisy(1, 1), 320);
  REQUIRE(one.size() == 1);
  CHECK(smoothed_curve(noisy(50, 1), 320).size() == 50);
  const std::vector<StepLine> lost = {line(1, kNan)};
  CHECK(std::isnan(smoothed_curve(lost, 320)[0].loss));
}

TEST_CASE("spikes: planted ones are found, and nothing in noise that only falls") {
  std::vector<StepLine> steps = noisy(600, 2);
  CHECK(find_spikes(steps).size() <= 1);  // five robust deviations of a normal: 3 in 10 million
  for (const size_t at : {size_t{200}, size_t{400}, size_t{401}}) steps[at].loss += 1;
  const auto spikes = find_spikes(steps);
  REQUIRE(spikes.size() == 3);
  CHECK(spikes[0].step == 201);
  CHECK(spikes[1].step == 401);
  CHECK(spikes[2].step == 402);
  CHECK(spikes[0].loss == steps[200].loss);
  CHECK(spikes[0].median < steps[200].loss - 0.8);
}

TEST_CASE("spikes: the running window gives what sorting anew at every step gives") {
  for (uint64_t seed = 10; seed < 20; ++seed) {
    std::vector<StepLine> steps = noisy(400, seed);
    const Random random(seed, RandomUse::kMixture);
    for (size_t i = 0; i < steps.size(); ++i) {
      const double u = random.uniform(i);
      if (u < 0.02) steps[i].loss += 10 * u;
      if (u > 0.97) steps[i].loss = kNan;
      if (u > 0.4 && u < 0.5) steps[i].loss = 2.5;  // equal values in the window
    }
    std::vector<i64> found;
    for (const Spike& s : find_spikes(steps)) found.push_back(s.step);
    CHECK(found == spikes_by_definition(steps));
  }
}

TEST_CASE("spikes: none before twenty losses are known, and none for rounding of equal losses") {
  std::vector<StepLine> steps;
  for (i64 i = 1; i <= 19; ++i) steps.push_back(line(i, 1));
  steps.push_back(line(20, 9));
  CHECK(find_spikes(steps).empty());
  steps.back().loss = 1;
  steps.push_back(line(21, 1 + 1e-9));
  CHECK(find_spikes(steps).empty());
  steps.push_back(line(22, 9));
  CHECK(find_spikes(steps).size() == 1);
}

TEST_CASE("median: of odd, even and no values") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
  CHECK(std::isnan(median({})));
}
