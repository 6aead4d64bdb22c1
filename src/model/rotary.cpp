#include "model/rotary.h"

#include <cmath>
#include <vector>

namespace lathe {

void fill_rotary(std::span<const i64> positions, i64 half, double base, float* cos, float* sin) {
  std::vector<double> frequency;
  for (i64 i = 0; i < half; ++i) {
    frequency.push_back(std::pow(base, -static_cast<double>(i) / static_cast<double>(half)));
  }
  for (const i64 position : positions) {
    for (const double f : frequency) {
      const double angle = static_cast<double>(position) * f;
      *cos++ = static_cast<float>(std::cos(angle));
      *sin++ = static_cast<float>(std::sin(angle));
    }
  }
}

}  // namespace lathe
