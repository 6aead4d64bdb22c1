// Number formats of stored tensors.
#pragma once

#include <bit>
#include <cstdint>

#include "base/enum_names.h"
#include "base/integer.h"

namespace lathe {

// The quantised ones are GGUF's blocks (weights/number_formats.h).
enum class DType {
  kF32,
  kBf16,
  kF16,
  kI64,
  kI32,
  kU8,
  kQ80,
  kQ40,
  kQ41,
  kQ50,
  kQ51,
  kQ4K,
  kQ5K,
  kQ6K,
};
constexpr auto names_of(DType) {
  return enum_names<DType>("f32", "bf16", "f16", "i64", "i32", "u8", "q8_0", "q4_0", "q4_1", "q5_0",
                           "q5_1", "q4_k", "q5_k", "q6_k");
}

// How values of a type lie in memory: blocks of so many values in so many bytes, one behind the
// other. A row of a matrix is whole blocks.
struct StoredType {
  DType type;
  i64 block_values, block_bytes;
};
inline constexpr StoredType kStoredTypes[] = {
    {DType::kF32, 1, 4},     {DType::kBf16, 1, 2},    {DType::kF16, 1, 2},
    {DType::kI64, 1, 8},     {DType::kI32, 1, 4},     {DType::kU8, 1, 1},
    {DType::kQ80, 32, 34},   {DType::kQ40, 32, 18},   {DType::kQ41, 32, 20},
    {DType::kQ50, 32, 22},   {DType::kQ51, 32, 24},   {DType::kQ4K, 256, 144},
    {DType::kQ5K, 256, 176}, {DType::kQ6K, 256, 210},
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

// IEEE half precision, rounded to nearest even; too large becomes infinity, NaN stays NaN.
struct F16 {
  uint16_t bits = 0;
  F16() = default;
  explicit F16(float x) {
    const uint32_t u = std::bit_cast<uint32_t>(x);
    const uint16_t sign = static_cast<uint16_t>(u >> 16 & 0x8000u);
    const uint32_t size = u & 0x7fffffffu;
    if (size > 0x7f800000u) {
      bits = static_cast<uint16_t>(sign | 0x7e00u);
    } else if (size >= 0x47800000u) {  // 2^16 and more
      bits = static_cast<uint16_t>(sign | 0x7c00u);
    } else if (size < 0x38800000u) {  // below 2^-14: steps of 2^-24, which the addition rounds to
      const float steps = std::bit_cast<float>(size) + 0.5f;
      bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(steps) - 0x3f000000u));
    } else {
      // A carry out of the mantissa is one of the exponent, up to infinity.
      const uint32_t rounded = size + 0xfffu + (size >> 13 & 1u);
      bits = static_cast<uint16_t>(sign | (rounded - 0x38000000u) >> 13);
    }
  }
  explicit operator float() const {
    const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
    const uint32_t rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest < 0x400u) {
      const float x = static_cast<float>(rest) * 0x1p-24f;
      return sign ? -x : x;
    }
    return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
  }
};

}  // namespace lathe
