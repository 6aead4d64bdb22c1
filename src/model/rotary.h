// Rotary positions (Su et al., arXiv 2104.09864), halves layout: the angles, for every engine.
#pragma once

#include <span>
#include <vector>

#include "model/model_spec.h"

namespace lathe {

// How the heads of a block rotate: the pairs (x[i], x[i + d_head/2]) by position · frequency[i].
// Only the first `dims` / 2 pairs do; 0: all. (GPT-NeoX, which rotates the first part of a head,
// comes to this by another order of the head's numbers.)
struct RopeSpec {
  i64 d_head = 0, dims = 0;
  double base = 10000;
  RopeScalingOption scaling;
  bool operator==(const RopeSpec&) const = default;
};

// Radians a position of each of the d_head/2 pairs: base^(−2i/dims), after scaling, or 0.
// linear: divided by the factor F. llama3, with wave length λ = 2π/f and C the original context:
// f where λ < C/high; f/F where λ > C/low; else f·((1 − s)/F + s), s = (C/λ − low)/(high − low).
std::vector<double> rotary_frequencies(const RopeSpec& rope);

// cos and sin of position · frequency for each position: (n, d_head/2) each, row-major. The angles
// are computed in double: at position 10⁵ a float's is off by a hundredth.
void fill_rotary(std::span<const i64> positions, const RopeSpec& rope, float* cos, float* sin);

}  // namespace lathe
