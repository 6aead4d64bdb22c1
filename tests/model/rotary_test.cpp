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
  fill_rotary(positions, {.d_head = 2 * kHalf, .base = kBase}, cos.data(), sin.data());
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

TEST_CASE("rotary: of rope_dims only the first pairs turn, as fast as a whole head of that width") {
  const std::vector<double> part = rotary_frequencies({.d_head = 16, .dims = 6, .base = 500});
  const std::vector<double> whole = rotary_frequencies({.d_head = 6, .base = 500});
  REQUIRE(part.size() == 8);
  for (size_t i = 0; i < 8; ++i) CHECK(part[i] == (i < 3 ? whole[i] : 0.0));
}

TEST_CASE("rotary: linear scaling divides every frequency") {
  RopeSpec rope{.d_head = 8};
  const std::vector<double> plain = rotary_frequencies(rope);
  rope.scaling = {.kind = RopeScaling::kLinear, .factor = 4};
  const std::vector<double> slow = rotary_frequencies(rope);
  for (size_t i = 0; i < plain.size(); ++i) CHECK(slow[i] == plain[i] / 4);
}

TEST_CASE("rotary: llama3 scaling gives the frequencies that transformers gives") {
  // transformers 5.24, rope type llama3 of d_head 32, base 500000, factor 8, low 1, high 4,
  // original 8192: inv_freq as computed there in f32.
  constexpr double kTheirs[] = {1.0000000e+00, 4.4036663e-01, 1.9392276e-01, 8.5397102e-02,
                                3.7606031e-02, 1.6560441e-02, 7.2926651e-03, 3.2114461e-03,
                                5.2484602e-04, 7.7846555e-05, 3.4281024e-05, 1.5096218e-05,
                                6.6478697e-06, 2.9274997e-06, 1.2891732e-06, 5.6770881e-07};
  const std::vector<double> ours = rotary_frequencies(
      {.d_head = 32, .base = 500000, .scaling = {.kind = RopeScaling::kLlama3, .factor = 8}});
  REQUIRE(ours.size() == 16);
  for (size_t i = 0; i < 16; ++i) CHECK(ours[i] == doctest::Approx(kTheirs[i]).epsilon(1e-6));
}
