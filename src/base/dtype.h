// Number formats of stored tensors.
#pragma once

#include <bit>
#include <cstdint>

#include "base/enum_names.h"
#include "base/integer.h"

namespace lathe {

enum class DType { kF32, kBf16, kF16, kI64, kI32, kU8 };
constexpr auto names_of(DType) {
  return enum_names<DType>("f32", "bf16", "f16", "i64", "i32", "u8");
}

// How values of a type lie in memory: blocks of so many values in so many bytes, one behind the
// other. A row of a matrix is whole blocks.
struct StoredType {
  DType type;
  i64 block_values, block_bytes;
};
inline constexpr StoredType kStoredTypes[] = {
    {DType::kF32, 1, 4}, {DType::kBf16, 1, 2}, {DType::kF16, 1, 2},
    {DType::kI64, 1, 8}, {DType::kI32, 1, 4},  {DType::kU8, 1, 1},
};
static_assert(one_row_each(kStoredTypes, &StoredType::type));

constexpr const StoredType& stored_type(DType t) { return kStoredTypes[static_cast<size_t>(t)]; }

// Bytes of n values; n is whole blocks.
constexpr i64 stored_bytes(DType t, i64 n) {
  return n / stored_type(t).block_values * stored_type(t).block_bytes;
}

// The upper half of an f32, rounded to nearest even; NaN stays NaN.
struct Bf16 {
  uint16_t bits = 0;
  Bf16() = default;
  explicit Bf16(float x) {
    uint32_t u = std::bit_cast<uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((u >> 16) | 0x40u);
      return;
    }
    u += 0x7fffu + ((u >> 16) & 1u);
    bits = static_cast<uint16_t>(u >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

}  // namespace lathe
