// Integer arithmetic that refuses to be wrong silently.
#pragma once

#include "base/error.h"
#include "base/integer.h"

namespace lathe {

inline i64 div_up(i64 a, i64 b) { return (a + b - 1) / b; }

// a · b, or an Error naming `what` when it leaves 63 bits (only input can be that large).
inline i64 checked_product(i64 a, i64 b, const char* what) {
  i64 product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) {
    fail("[size] {}: {} × {} is too large; check the spec", what, a, b);
  }
  return product;
}

}  // namespace lathe
