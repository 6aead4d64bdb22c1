// Rotary positions (Su et al., arXiv 2104.09864), halves layout: the angles, for every engine.
#pragma once

#include <span>

#include "base/integer.h"

namespace lathe {

// cos and sin of position · base^(−i/half), i < half, for each position: (n, half) each, row-major.
// The angles are computed in double: at position 10⁵ a float's is off by a hundredth.
void fill_rotary(std::span<const i64> positions, i64 half, double base, float* cos, float* sin);

}  // namespace lathe
