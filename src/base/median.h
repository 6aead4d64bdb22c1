#pragma once

#include <algorithm>
#include <limits>
#include <vector>

namespace lathe {

// The mean of the middle two of an even number; NaN for none. Takes a copy, since it reorders.
inline double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace lathe
