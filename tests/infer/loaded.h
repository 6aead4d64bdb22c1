// A tiny random model, loaded by way of its directory.
#pragma once

#include <doctest/doctest.h>

#include "infer/model.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"
#include "weights/model_directory.h"

namespace lathe::test {

struct Loaded {
  TinyWeights weights;
  std::unique_ptr<const infer::Model> model;
};

inline std::unique_ptr<const infer::Model> open_model(const std::string& path) {
  ModelDirectory directory = open_model_directory(path);
  return infer::make_model(std::move(directory.plan), *directory.weights);
}

inline Loaded load_tiny(const ModelSpec& spec, DType dtype = DType::kF32, uint64_t seed = 7) {
  const TempDir dir;
  Loaded out{random_weights(make_plan(spec), seed), nullptr};
  write_model(spec, out.weights, dir.path(), dtype);
  out.model = open_model(dir.path());
  return out;
}

inline std::vector<int32_t> some_tokens(i64 vocab_size, i64 n, uint64_t seed = 3) {
  const Random random(seed, RandomUse::kSampling);
  std::vector<int32_t> tokens;
  for (i64 i = 0; i < n; ++i) {
    tokens.push_back(static_cast<int32_t>(random.bits(static_cast<uint64_t>(i)) %
                                          static_cast<uint64_t>(vocab_size)));
  }
  return tokens;
}

// Of two rows of finite numbers of one length.
inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

}  // namespace lathe::test
