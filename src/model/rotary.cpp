#include "model/rotary.h"

#include <cmath>

namespace lathe {

namespace {

double slowed(double frequency, const RopeScalingOption& scaling) {
  switch (scaling.kind) {
    case RopeScaling::kNone:
      return frequency;
    case RopeScaling::kLinear:
      return frequency / scaling.factor;
    case RopeScaling::kLlama3: {
      const double waves =
          static_cast<double>(scaling.original_context_length) * frequency / (2 * M_PI);
      if (waves > scaling.high_freq_factor) return frequency;
      if (waves < scaling.low_freq_factor) return frequency / scaling.factor;
      const double s =
          (waves - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
      return frequency * ((1 - s) / scaling.factor + s);
    }
  }
  return frequency;
}

}  // namespace

std::vector<double> rotary_frequencies(const RopeSpec& rope) {
  const i64 dims = rope.dims > 0 ? rope.dims : rope.d_head;
  std::vector<double> frequencies(static_cast<size_t>(rope.d_head / 2), 0.0);
  for (i64 i = 0; i < dims / 2; ++i) {
    const double f = std::pow(rope.base, -static_cast<double>(2 * i) / static_cast<double>(dims));
    frequencies[static_cast<size_t>(i)] = slowed(f, rope.scaling);
  }
  return frequencies;
}

void fill_rotary(std::span<const i64> positions, const RopeSpec& rope, float* cos, float* sin) {
  const std::vector<double> frequencies = rotary_frequencies(rope);
  for (const i64 position : positions) {
    for (const double f : frequencies) {
      const double angle = static_cast<double>(position) * f;
      *cos++ = static_cast<float>(std::cos(angle));
      *sin++ = static_cast<float>(std::sin(angle));
    }
  }
}

}  // namespace lathe
