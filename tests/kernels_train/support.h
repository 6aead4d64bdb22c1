// What the tests of the training kernels share: every table of kernels as a type to instantiate a
// test with, and random data at any alignment between canaries.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/train/train_kernels.h"

namespace lathe::test {

// The tables: S is their storage, kBf16Products whether attention multiplies rounded operands.
template <int index, class Storage, bool bf16_products>
struct Table {
  using S = Storage;
  static constexpr bool kBf16Products = bf16_products;
  // Null, said by name, where this CPU lacks the class.
  static const TrainKernels* kernels_or_skip() {
    static constexpr const char* kNames[] = {"avx2", "avx512", "avx512_bf16"};
    const DType storage = std::is_same_v<S, float> ? DType::kF32 : DType::kBf16;
    for (const TrainKernels* table : supported_train_kernels()) {
      if (table->isa == std::string(kNames[index]) && table->storage == storage) return table;
    }
    std::printf("SKIP: this CPU has no %s\n", kNames[index]);
    return nullptr;
  }
};
using Avx2F32 = Table<0, float, false>;
using Avx2Bf16 = Table<0, Bf16, false>;
using Avx512F32 = Table<1, float, false>;
using Avx512Bf16 = Table<1, Bf16, false>;
using Avx512Bf16F32 = Table<2, float, false>;
using Avx512Bf16Bf16 = Table<2, Bf16, true>;
#define LATHE_TABLES Avx2F32, Avx2Bf16, Avx512F32, Avx512Bf16, Avx512Bf16F32, Avx512Bf16Bf16

// The error of one rounding to S, relative: half a unit in the last place of bf16; for f32, where
// nothing is rounded at the end, that of a few operations.
template <class S>
inline constexpr double kRounding = std::is_same_v<S, float> ? 4e-6 : 1.0 / 256;

inline double value(float x) { return x; }
inline double value(double x) { return x; }
inline double value(Bf16 x) { return static_cast<float>(x); }

// `size` elements, `shift` elements off a cache line, with 64 bytes before and after that the
// destructor checks.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t size, int64_t shift = 0) : size_(size), bytes_(bytes(size, shift)) {
    std::memset(bytes_.data(), kCanary, bytes_.size());
    void* start = bytes_.data();
    size_t space = bytes_.size();
    std::align(64, 1, start, space);
    data_ = reinterpret_cast<T*>(static_cast<char*>(start) + 64) + shift;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    const auto* first = reinterpret_cast<const unsigned char*>(data_);
    const auto* last = reinterpret_cast<const unsigned char*>(data_ + size_);
    bool intact = true;
    for (int i = 1; i <= 64; ++i) intact = intact && first[-i] == kCanary && last[i - 1] == kCanary;
    CHECK_MESSAGE(intact, "a kernel wrote outside its buffer");
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  bool operator==(const Buffer& other) const {
    return std::memcmp(data_, other.data_, static_cast<size_t>(size_) * sizeof(T)) == 0;
  }

 private:
  static constexpr unsigned char kCanary = 0xc5;
  static size_t bytes(int64_t size, int64_t shift) {
    return static_cast<size_t>(size + shift) * sizeof(T) + 3 * 64;
  }
  int64_t size_;
  std::vector<unsigned char> bytes_;
  T* data_;
};

template <class T>
void fill_normal(Buffer<T>& x, std::mt19937& rng, float mean = 0, float deviation = 1) {
  std::normal_distribution<float> normal(mean, deviation);
  for (int64_t i = 0; i < x.size(); ++i) x[i] = T(normal(rng));
}

// |got − expected| ≤ bound for all elements; names the first that fails.
template <class Got>
void check_close(const std::string& what, const Got& got, const std::vector<double>& expected,
                 const std::vector<double>& bound) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const double x = value(got[static_cast<int64_t>(i)]);
    if (!(std::abs(x - expected[i]) <= bound[i])) {
      FAIL_CHECK(what << "[" << i << "] is off by " << x - expected[i] << " from " << expected[i]
                      << ", allowed ± " << bound[i]);
      return;
    }
  }
}

}  // namespace lathe::test
