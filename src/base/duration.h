// A time span for people.
#pragma once

#include <string>

#include "base/format.h"
#include "base/integer.h"

namespace lathe {

// "42s", "3m07s", "2h15m". `seconds` is at least 0 and fits 63 bits.
inline std::string duration_text(double seconds) {
  const i64 s = static_cast<i64>(seconds + 0.5);
  if (s < 60) return format("{}s", s);
  if (s < 3600) return format("{}m{:02}s", s / 60, s % 60);
  return format("{}h{:02}m", s / 3600, s / 60 % 60);
}

}  // namespace lathe
