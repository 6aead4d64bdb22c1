#include "base/rng.h"

#include <doctest/doctest.h>

#include <set>

using namespace lathe;

TEST_CASE("rng: Philox4x32-10 gives the published known answers") {
  // kat_vectors of Random123 (Salmon et al.): counter, key, result.
  const struct {
    Philox counter;
    uint32_t key_0, key_1;
    Philox result;
  } cases[] = {
      {{0, 0, 0, 0}, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       0xffffffff,
       0xffffffff,
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       0xa4093822,
       0x299f31d0,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const auto& c : cases) {
    CHECK(philox(c.counter, uint64_t{c.key_1} << 32 | c.key_0) == c.result);
  }
}

TEST_CASE("rng: seeds, uses, streams and indices past 2^32 are all different streams") {
  std::set<uint64_t> seen;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
    for (const RandomUse use : {RandomUse::kInit, RandomUse::kGuideDraw}) {
      for (const uint32_t stream : {0u, 1u}) {
        const Random random(seed, use, stream);
        for (const uint64_t index : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
          seen.insert(random.bits(index));
        }
      }
    }
  }
  CHECK(seen.size() == 3 * 2 * 2 * 3);
}

TEST_CASE("rng: uniform numbers fill [0, 1) with mean 1/2 and variance 1/12") {
  const Random random(7, RandomUse::kInit);
  constexpr int kN = 100000;
  double sum = 0, squares = 0, least = 1, most = 0;
  for (uint64_t i = 0; i < kN; ++i) {
    const double u = random.uniform(i);
    sum += u;
    squares += u * u;
    least = std::min(least, u);
    most = std::max(most, u);
  }
  const double mean = sum / kN;
  CHECK(mean == doctest::Approx(0.5).epsilon(0.006));
  CHECK(squares / kN - mean * mean == doctest::Approx(1.0 / 12).epsilon(0.015));
  CHECK(least >= 0);
  CHECK(least < 1e-4);
  CHECK(most < 1);
  CHECK(most > 1 - 1e-4);
}

TEST_CASE(
    "rng: normal numbers have mean 0, variance 1, fourth moment 3 and the tails of a normal") {
  const Random random(7, RandomUse::kInit);
  constexpr int kN = 200000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  int beyond_2 = 0;
  for (uint64_t i = 0; i < kN; ++i) {
    const double x = random.normal(i);
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    beyond_2 += std::abs(x) > 2;
  }
  CHECK(std::abs(m1 / kN) < 0.01);
  CHECK(m2 / kN == doctest::Approx(1).epsilon(0.015));
  CHECK(std::abs(m3 / kN) < 0.04);
  CHECK(m4 / kN == doctest::Approx(3).epsilon(0.03));
  CHECK(beyond_2 == doctest::Approx(kN * 0.0455003).epsilon(0.04));
}

TEST_CASE("rng: neighbouring numbers and streams are uncorrelated") {
  const Random a(3, RandomUse::kInit, 0), b(3, RandomUse::kInit, 1);
  constexpr int kN = 100000;
  double lag = 0, across = 0;
  for (uint64_t i = 0; i < kN; ++i) {
    lag += a.normal(i) * a.normal(i + 1);
    across += a.normal(i) * b.normal(i);
  }
  CHECK(std::abs(lag / kN) < 0.016);  // five standard errors
  CHECK(std::abs(across / kN) < 0.016);
}
