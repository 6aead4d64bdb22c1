// Activations and norms of a spec in double, from their formulas: what every engine is held
// against.
#pragma once

#include <cmath>
#include <vector>

#include "model/model_spec.h"

namespace lathe::test {

// 1 / (1 + e^−u), which loses nothing for negative u.
inline double sigmoid(double u) { return 1 / (1 + std::exp(-u)); }

// y of x; of the gate x and the value v where it is gated.
inline double activated(Activation activation, double x, double v) {
  switch (activation) {
    case Activation::kGeluTanh:
      return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    case Activation::kGelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::kSwiglu:
      return x * sigmoid(x) * v;
  }
  return NAN;
}

// dy/dx; at v = 1 where it is gated.
inline double activation_slope(Activation activation, double x) {
  switch (activation) {
    case Activation::kGeluTanh: {
      const double u = 2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      const double steep = sigmoid(u) * sigmoid(-u);
      const double du = 2 * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
      return sigmoid(u) + (steep == 0 ? 0 : x * steep * du);
    }
    case Activation::kGelu:
      return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
    case Activation::kSwiglu:
      return sigmoid(x) + (x < -700 ? 0 : x * sigmoid(x) * sigmoid(-x));
  }
  return NAN;
}

// x̂, before weight and bias.
inline std::vector<double> normalised(NormKind norm, std::vector<double> x, double eps) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, square = 0;
  switch (norm) {
    case NormKind::kLayerNorm:
      for (const double v : x) mean += v / n;
      break;
    case NormKind::kRmsNorm:
      break;
  }
  for (const double v : x) square += (v - mean) * (v - mean) / n;
  for (double& v : x) v = (v - mean) / std::sqrt(square + eps);
  return x;
}

}  // namespace lathe::test
