#include "report/scaling.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/rng.h"

using namespace lathe;
using namespace lathe::report;
using lathe::i64;
using lathe::Random;
using lathe::RandomUse;

namespace {

std::vector<ScalingPoint> exact(const PowerLaw& law, const std::vector<double>& sizes) {
  std::vector<ScalingPoint> points;
  for (const double x : sizes) points.push_back({x, law.a * std::pow(x, -law.b) + law.c});
  return points;
}

std::vector<ScalingPoint> noisy(const PowerLaw& law, int n_sizes, int n_seeds, double noise,
                                uint64_t seed) {
  const Random random(seed, RandomUse::kSampling);
  std::vector<ScalingPoint> points;
  uint64_t next = 0;
  for (int i = 0; i < n_sizes; ++i) {
    const double x = 1e15 * std::pow(10, 0.5 * i);
    for (int s = 0; s < n_seeds; ++s) {
      points.push_back({x, law.at(x) * std::exp(noise * random.normal(next++))});
    }
  }
  return points;
}

double squared_error(const std::vector<ScalingPoint>& points, const PowerLaw& law) {
  double sum = 0;
  for (const ScalingPoint& p : points) {
    sum += std::pow(std::log(p.loss) - std::log(law.a * std::pow(p.x, -law.b) + law.c), 2);
  }
  return sum;
}

std::string refusal(const std::vector<ScalingPoint>& points) {
  const ScalingFit fit = fit_scaling(points, 10);
  CHECK_FALSE(fit.law);
  CHECK(fit.resampled.empty());
  return fit.why_not;
}

const PowerLaw kPlanted = {4e3, 0.22, 1.7};

}  // namespace

TEST_CASE("scaling: three exact points give back a, b and c") {
  for (const PowerLaw& law :
       {PowerLaw{400, 0.3, 1.5}, PowerLaw{1e5, 0.4, 0.2}, kPlanted, PowerLaw{30, 0.1, 0.0}}) {
    std::string why;
    const auto found = fit_power_law(exact(law, {1e13, 2e14, 1e16}), &why);
    REQUIRE(found);
    CHECK(found->b == doctest::Approx(law.b).epsilon(1e-4));
    CHECK(found->a == doctest::Approx(law.a).epsilon(1e-2));
    CHECK(std::abs(found->c - law.c) < 1e-3);
    CHECK(found->at(1e15) == doctest::Approx(law.at(1e15)).epsilon(1e-6));
  }
}

TEST_CASE("scaling: no law near the fitted one has a smaller error") {
  const auto points = noisy(kPlanted, 6, 2, 0.005, 3);
  std::string why;
  const auto found = fit_power_law(points, &why);
  REQUIRE(found);
  const double least = squared_error(points, *found);
  for (const double da : {-0.02, 0.0, 0.02}) {
    for (const double db : {-0.003, 0.0, 0.003}) {
      for (const double dc : {-0.02, 0.0, 0.02}) {
        const PowerLaw near = {found->a * (1 + da), found->b + db, found->c + dc};
        // The inner line is weighted least squares, a first-order stand-in for the error itself.
        CHECK(squared_error(points, near) > least * (1 - 1e-3));
      }
    }
  }
}

TEST_CASE("scaling: the planted law lies in the bootstrap intervals about as often as they say") {
  constexpr int kTrials = 20;
  int a = 0, b = 0, c = 0, loss = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const ScalingFit fit =
        fit_scaling(noisy(kPlanted, 6, 3, 0.004, 100 + static_cast<uint64_t>(trial)), 300);
    REQUIRE(fit.law);
    const auto inside = [](const std::optional<Interval>& bounds, double x) {
      REQUIRE(bounds);
      return bounds->low <= x && x <= bounds->high;
    };
    a += inside(parameter_interval(fit, &PowerLaw::a), kPlanted.a);
    b += inside(parameter_interval(fit, &PowerLaw::b), kPlanted.b);
    c += inside(parameter_interval(fit, &PowerLaw::c), kPlanted.c);
    loss += inside(loss_interval(fit, 1e16), kPlanted.at(1e16));
    const auto b_bounds = parameter_interval(fit, &PowerLaw::b);
    CHECK(b_bounds->high - b_bounds->low < 0.2);  // and they say something
    CHECK(fit.log_error < 0.008);
  }
  // 19 of 20 for exact intervals; percentiles of so few runs are a little narrow.
  for (const int n : {a, b, c, loss}) CHECK(n >= 16);
}

TEST_CASE("scaling: fewer than three sizes are refused, however many runs") {
  CHECK(refusal({}) == "needs three sizes, has 0");
  CHECK(refusal(exact(kPlanted, {1e15, 1e15, 1e16, 1e16})) == "needs three sizes, has 2");
  // Two seeds of a randomly guided run are one size.
  CHECK(refusal(exact(kPlanted, {1e15, 1.004e15, 1e16})) == "needs three sizes, has 2");
  CHECK(count_sizes(exact(kPlanted, {1e15, 1.03e15, 1e16})) == 3);
}

TEST_CASE("scaling: a loss that rises or stays is no power law") {
  CHECK(refusal({{1e3, 2}, {1e4, 2.1}, {1e5, 2.2}}) == "the loss does not fall with size");
  CHECK(refusal({{1e3, 2}, {1e4, 2}, {1e5, 2}}) == "the loss does not fall with size");
}

TEST_CASE("scaling: one run at each of three sizes has a fit and no interval") {
  const ScalingFit fit = fit_scaling(exact(kPlanted, {1e15, 1e16, 1e17}), 100);
  CHECK(fit.law);
  CHECK(fit.resampled.empty());
  CHECK_FALSE(parameter_interval(fit, &PowerLaw::b));
  CHECK_FALSE(loss_interval(fit, 1e16));
}

TEST_CASE("scaling: the same points give the same intervals") {
  const auto points = noisy(kPlanted, 4, 2, 0.01, 5);
  const ScalingFit one = fit_scaling(points, 50), two = fit_scaling(points, 50);
  REQUIRE(one.resampled.size() == two.resampled.size());
  for (size_t i = 0; i < one.resampled.size(); ++i) {
    CHECK(one.resampled[i].b == two.resampled[i].b);
    CHECK(one.resampled[i].c == two.resampled[i].c);
  }
}
