#include "model/rotary.h"

#include <doctest/doctest.h>

#include <cmath>
#include <complex>
#include <vector>

using namespace lathe;

TEST_CASE("rotary: angles are position · base^(−i/half), by powers of one rotation") {
  const std::vector<i64> positions = {0, 1, 2, 3, 1000, 100'000};
  constexpr i64 kHalf = 5;
  constexpr double kBase = 10'000;
  std::vector<float> cos(positions.size() * kHalf), sin(cos.size());
  fill_rotary(positions, kHalf, kBase, cos.data(), sin.data());
  for (size_t p = 0; p < positions.size(); ++p) {
    for (i64 i = 0; i < kHalf; ++i) {
      // e^(i·angle) of one position, multiplied position times.
      const double frequency = std::exp(-static_cast<double>(i) / kHalf * std::log(kBase));
      const std::complex<double> turned =
          std::pow(std::polar(1.0, frequency), static_cast<double>(positions[p]));
      const size_t at = p * kHalf + static_cast<size_t>(i);
      CHECK(static_cast<double>(cos[at]) == doctest::Approx(turned.real()).epsilon(1e-6));
      CHECK(static_cast<double>(sin[at]) == doctest::Approx(turned.imag()).epsilon(1e-6));
    }
  }
}
