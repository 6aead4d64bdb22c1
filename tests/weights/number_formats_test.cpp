#include "weights/number_formats.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/rng.h"

using namespace lathe;

namespace {

// A block of bytes (i · 73 + 19) mod 256 with 0.013 and 0.026 as its scales, and what gguf-py 0.19
// makes of it: the sum, and the values at kShortAt or kLongAt.
struct Stored {
  DType type;
  std::vector<size_t> scales_at;
  double sum;
  std::vector<float> values;
};
constexpr size_t kShortAt[] = {0, 1, 15, 16, 17, 31};
constexpr size_t kLongAt[] = {0, 31, 32, 100, 128, 191, 200, 255};
const Stored kStored[] = {
    {DType::kQ80,
     {0},
     3.53613281,
     {-1.18304443f, -0.234008789f, -0.260009766f, 0.689025879f, 1.63806152f, 1.61206055f}},
    {DType::kQ40,
     {0},
     -0.091003418,
     {-0.0390014648f, 0.0780029297f, 0.0520019531f, 0.0260009766f, 0.0780029297f, 0.0780029297f}},
    {DType::kQ41,
     {0, 2},
     3.887146,
     {0.117004395f, 0.0260009766f, 0.208007812f, 0.0650024414f, 0.130004883f, 0.117004395f}},
    {DType::kQ50,
     {0},
     -0.247009277,
     {0.117004395f, -0.182006836f, 0.0f, 0.156005859f, 0.0130004883f, 0.0130004883f}},
    {DType::kQ51,
     {0, 2},
     6.4352417,
     {0.37701416f, 0.286010742f, 0.260009766f, 0.29901123f, 0.156005859f, 0.156005859f}},
    {DType::kQ4K,
     {0, 2},
     360.165527,
     {1.4430542f, 6.44824219f, -0.936035156f, 1.87207031f, -0.0130004883f, 4.57617188f, 5.73321533f,
      1.56005859f}},
    {DType::kQ5K,
     {0, 2},
     1059.90381,
     {12.8834839f, 6.44824219f, -0.936035156f, -1.40405273f, -0.0130004883f, 13.9365234f,
      15.9255981f, 1.82006836f}},
    {DType::kQ6K,
     {208},
     159.906006,
     {-11.1154175f, 3.64013672f, -38.0784302f, -7.73529053f, 6.66925049f, -1.30004883f, 20.475769f,
      1.35205078f}},
};

template <class T>
float through(float x) {
  return static_cast<float>(T(x));
}

}  // namespace

TEST_CASE("every quantised block reads as gguf-py reads it") {
  for (const Stored& stored : kStored) {
    CAPTURE(name_of(stored.type));
    const StoredType& size = stored_type(stored.type);
    std::vector<std::byte> block(static_cast<size_t>(size.block_bytes));
    for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i * 73 + 19);
    for (size_t k = 0; k < stored.scales_at.size(); ++k) {
      const F16 scale(static_cast<float>(0.013 * static_cast<double>(k + 1)));
      std::memcpy(block.data() + stored.scales_at[k], &scale, sizeof scale);
    }
    std::vector<float> values(static_cast<size_t>(size.block_values));
    to_f32(stored.type, block.data(), size.block_values, values.data());
    double sum = 0;
    for (const float v : values) sum += static_cast<double>(v);
    CHECK(sum == doctest::Approx(stored.sum).epsilon(1e-6));
    for (size_t i = 0; i < stored.values.size(); ++i) {
      const size_t at = values.size() == 32 ? kShortAt[i] : kLongAt[i];
      CHECK(values[at] == doctest::Approx(stored.values[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("f16 rounds to the nearest even, reaches down to 2^-24, and overflows to infinity") {
  CHECK(through<F16>(1.0f + 0x1p-11f) == 1.0f);                // a tie, to even
  CHECK(through<F16>(1.0f + 3 * 0x1p-11f) == 1.0f + 0x1p-9f);  // a tie, to even
  CHECK(through<F16>(-65504.0f) == -65504.0f);
  CHECK(std::isinf(through<F16>(65520.0f)));
  CHECK(through<F16>(0x1p-24f) == 0x1p-24f);
  CHECK(through<F16>(0x1p-26f) == 0.0f);
  CHECK(std::signbit(through<F16>(-0.0f)));
  CHECK(std::isnan(through<F16>(std::numeric_limits<float>::quiet_NaN())));
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {  // every finite half is itself again
    F16 half;
    half.bits = static_cast<uint16_t>(bits);
    REQUIRE(F16(static_cast<float>(half)).bits == bits);
  }
}

TEST_CASE("what is written reads back within the type's step") {
  const Random random(3, RandomUse::kInit, 1);
  constexpr i64 kN = 320;
  std::vector<float> x(kN), y(kN);
  for (i64 i = 0; i < kN; ++i) {
    x[static_cast<size_t>(i)] = static_cast<float>(random.normal(static_cast<uint64_t>(i)));
  }
  for (const DType type : kWritableTypes) {
    CAPTURE(name_of(type));
    std::vector<std::byte> bytes(static_cast<size_t>(stored_bytes(type, kN)));
    from_f32(type, x.data(), kN, bytes.data());
    to_f32(type, bytes.data(), kN, y.data());
    for (size_t block = 0; block < kN; block += 32) {
      float most = 0;
      for (size_t i = block; i < block + 32; ++i) most = std::max(most, std::abs(x[i]));
      for (size_t i = block; i < block + 32; ++i) {
        const float step = type == DType::kQ80    ? most / 127
                           : type == DType::kF16  ? std::abs(x[i]) * 0x1p-10f
                           : type == DType::kBf16 ? std::abs(x[i]) * 0x1p-7f
                                                  : 0.0f;
        CHECK(std::abs(x[i] - y[i]) <=
              0.51f * step + 1e-7f * static_cast<float>(type != DType::kF32));
      }
    }
  }
}
