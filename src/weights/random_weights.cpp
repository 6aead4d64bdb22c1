#include "weights/random_weights.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "weights/number_formats.h"

namespace lathe {

namespace {

// Four numbers a draw, each uniform with the given deviation.
void fill_uniform(uint64_t seed, uint32_t stream, float deviation, std::span<float> to) {
  const float width = deviation * std::sqrt(12.0f);
  for (size_t i = 0; i < to.size(); i += 4) {
    const Philox bits = philox({static_cast<uint32_t>(i / 4), 0, stream, 0}, seed);
    for (size_t j = i; j < std::min(i + 4, to.size()); ++j) {
      to[j] = (static_cast<float>(bits[j - i] >> 8) * 0x1p-24f - 0.5f) * width;
    }
  }
}

class MemorySource : public WeightSource {
 public:
  MemorySource(std::string where, std::vector<TensorView> tensors,
               std::vector<std::vector<std::byte>> bytes)
      : WeightSource(std::move(where), std::move(tensors)), bytes_(std::move(bytes)) {}

 private:
  std::vector<std::vector<std::byte>> bytes_;
};

}  // namespace

std::shared_ptr<const WeightSource> random_weights(const Plan& plan, DType type, uint64_t seed) {
  std::vector<TensorView> views;
  std::vector<std::vector<std::byte>> all;
  for (const TensorInfo& info : tensor_list(plan)) {
    const i64 n = info.numel(), columns = info.shape.back();
    const DType stored = info.matrix ? type : DType::kF32;
    if (columns % stored_type(stored).block_values != 0) {
      fail("[weights] {} has rows of {} values, {} has blocks of {}; take another type", info.name,
           columns, name_of(stored), stored_type(stored).block_values);
    }
    std::vector<float> values(static_cast<size_t>(n), info.init == InitRule::kOnes ? 1.0f : 0.0f);
    if (info.matrix) {
      const float deviation = 1 / std::sqrt(static_cast<float>(columns));
      fill_uniform(seed, static_cast<uint32_t>(all.size()), deviation, values);
    }
    std::vector<std::byte>& bytes = all.emplace_back(static_cast<size_t>(stored_bytes(stored, n)));
    from_f32(stored, values.data(), n, bytes.data());
    views.push_back({info.name, stored, info.shape, bytes});
  }
  return std::make_shared<MemorySource>("random weights", std::move(views), std::move(all));
}

}  // namespace lathe
