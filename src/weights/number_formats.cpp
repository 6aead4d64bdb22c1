#include "weights/number_formats.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace lathe {

namespace {

using Bytes = const uint8_t*;

float half_at(Bytes p) {
  F16 x;
  std::memcpy(&x.bits, p, sizeof x.bits);
  return static_cast<float>(x);
}

// One block each: `p` has its bytes, `y` room for its values. The lower nibbles of a block are the
// first half of its values, the upper ones the second.
void q8_0(Bytes p, float* y) {
  const float d = half_at(p);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<float>(static_cast<int8_t>(p[2 + j]));
}
void q4_0(Bytes p, float* y) {
  const float d = half_at(p);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>((p[2 + j] & 15) - 8);
    y[j + 16] = d * static_cast<float>((p[2 + j] >> 4) - 8);
  }
}
void q4_1(Bytes p, float* y) {
  const float d = half_at(p), m = half_at(p + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(p[4 + j] & 15) + m;
    y[j + 16] = d * static_cast<float>(p[4 + j] >> 4) + m;
  }
}
// The fifth bits of q5_0 and q5_1.
struct FifthBits {
  uint32_t bits;
  explicit FifthBits(Bytes p) { std::memcpy(&bits, p, sizeof bits); }
  int of(int j) const { return static_cast<int>(bits >> j & 1) << 4; }
};
void q5_0(Bytes p, float* y) {
  const float d = half_at(p);
  const FifthBits high(p + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(((p[6 + j] & 15) | high.of(j)) - 16);
    y[j + 16] = d * static_cast<float>(((p[6 + j] >> 4) | high.of(j + 16)) - 16);
  }
}
void q5_1(Bytes p, float* y) {
  const float d = half_at(p), m = half_at(p + 2);
  const FifthBits high(p + 4);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>((p[8 + j] & 15) | high.of(j)) + m;
    y[j + 16] = d * static_cast<float>((p[8 + j] >> 4) | high.of(j + 16)) + m;
  }
}

// Scale and minimum of sub-block s < 8 of a K-quant, 6 bits each, packed into 12 bytes.
struct ScaleMin {
  int scale, min;
};
ScaleMin scale_min(Bytes b, int s) {
  if (s < 4) return {b[s] & 63, b[s + 4] & 63};
  return {(b[s + 4] & 15) | (b[s - 4] >> 6) << 4, (b[s + 4] >> 4) | (b[s] >> 6) << 4};
}
// q4_k and q5_k: d, dmin, the scales, for q5_k the fifth bits, then nibbles: 32 bytes hold two
// sub-blocks. `high`: where the fifth bits are, or null.
void k_nibbles(Bytes p, Bytes high, Bytes nibbles, float* y) {
  const float d = half_at(p), dmin = half_at(p + 2);
  for (int s = 0; s < 8; ++s) {
    const ScaleMin k = scale_min(p + 4, s);
    const float scale = d * static_cast<float>(k.scale), min = dmin * static_cast<float>(k.min);
    for (int l = 0; l < 32; ++l) {
      const int byte = nibbles[s / 2 * 32 + l];
      int q = s % 2 ? byte >> 4 : byte & 15;
      if (high && (high[l] >> s & 1)) q += 16;
      y[s * 32 + l] = scale * static_cast<float>(q) - min;
    }
  }
}
void q4_k(Bytes p, float* y) { k_nibbles(p, nullptr, p + 16, y); }
void q5_k(Bytes p, float* y) { k_nibbles(p, p + 16, p + 48, y); }
void q6_k(Bytes p, float* y) {
  const float d = half_at(p + 208);
  for (int n = 0; n < 2; ++n) {
    const Bytes low = p + 64 * n, high = p + 128 + 32 * n, scales = p + 192 + 8 * n;
    for (int t = 0; t < 4; ++t) {
      for (int l = 0; l < 32; ++l) {
        const int byte = low[l + 32 * (t & 1)];
        const int nibble = t < 2 ? byte & 15 : byte >> 4;
        const int q = (nibble | (high[l] >> (2 * t) & 3) << 4) - 32;
        const float scale = d * static_cast<float>(static_cast<int8_t>(scales[l / 16 + 2 * t]));
        y[128 * n + 32 * t + l] = scale * static_cast<float>(q);
      }
    }
  }
}

struct BlockFormat {
  DType type;
  void (*read)(Bytes block, float* values);
};
constexpr BlockFormat kBlockFormats[] = {
    {DType::kQ80, q8_0}, {DType::kQ40, q4_0}, {DType::kQ41, q4_1}, {DType::kQ50, q5_0},
    {DType::kQ51, q5_1}, {DType::kQ4K, q4_k}, {DType::kQ5K, q5_k}, {DType::kQ6K, q6_k},
};

template <class T>
void read_each(const std::byte* from, i64 n, float* to) {
  for (i64 i = 0; i < n; ++i) {
    T x;
    std::memcpy(&x, from + i * static_cast<i64>(sizeof x), sizeof x);
    to[i] = static_cast<float>(x);
  }
}
template <class T>
void write_each(const float* from, i64 n, std::byte* to) {
  for (i64 i = 0; i < n; ++i) {
    const T x(from[i]);
    std::memcpy(to + i * static_cast<i64>(sizeof x), &x, sizeof x);
  }
}

void write_q8_0(const float* x, std::byte* to) {
  float most = 0;
  for (int j = 0; j < 32; ++j) most = std::max(most, std::abs(x[j]));
  const float d = most / 127, inverse = d > 0 ? 1 / d : 0;
  const F16 stored(d);
  std::memcpy(to, &stored, sizeof stored);
  for (int j = 0; j < 32; ++j) {
    to[2 + j] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[j] * inverse)));
  }
}

}  // namespace

bool holds_weights(DType type) {
  switch (type) {
    case DType::kI64:
    case DType::kI32:
    case DType::kU8:
      return false;
    default:
      return true;
  }
}

void to_f32(DType type, const std::byte* from, i64 n, float* to) {
  LATHE_CHECK(n % stored_type(type).block_values == 0);
  if (type == DType::kF32) return read_each<float>(from, n, to);
  if (type == DType::kBf16) return read_each<Bf16>(from, n, to);
  if (type == DType::kF16) return read_each<F16>(from, n, to);
  for (const BlockFormat& format : kBlockFormats) {
    if (format.type != type) continue;
    const StoredType& size = stored_type(type);
    const auto* bytes = reinterpret_cast<Bytes>(from);
    for (i64 i = 0; i < n / size.block_values; ++i) {
      format.read(bytes + i * size.block_bytes, to + i * size.block_values);
    }
    return;
  }
  LATHE_CHECK(holds_weights(type));
}

void from_f32(DType type, const float* from, i64 n, std::byte* to) {
  switch (type) {
    case DType::kF32:
      return write_each<float>(from, n, to);
    case DType::kBf16:
      return write_each<Bf16>(from, n, to);
    case DType::kF16:
      return write_each<F16>(from, n, to);
    case DType::kQ80:
      LATHE_CHECK(n % 32 == 0);
      for (i64 i = 0; i < n / 32; ++i) write_q8_0(from + i * 32, to + i * 34);
      return;
    default:
      LATHE_CHECK(!"writable");
  }
}

}  // namespace lathe
