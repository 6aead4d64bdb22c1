// Stored numbers to f32 and back, by the formats' definitions. In plain C++: for conversion, not
// for running models.
#pragma once

#include <cstddef>
#include <span>

#include "base/dtype.h"

namespace lathe {

// Whether values of the type are weights: all but the integers.
bool holds_weights(DType type);
// n values, whole blocks of a type that holds weights. `from` need not be aligned.
void to_f32(DType type, const std::byte* from, i64 n, float* to);

// Types that from_f32 writes: those that lathe makes.
inline constexpr DType kWritableTypes[] = {DType::kF32, DType::kBf16, DType::kF16, DType::kQ80};
// n values, whole blocks of a writable type, each to the nearest. q8_0: 32 values to −127 … 127
// times max|x| / 127, which is stored as f16.
void from_f32(DType type, const float* from, i64 n, std::byte* to);

}  // namespace lathe
