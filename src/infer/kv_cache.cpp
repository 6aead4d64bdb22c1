#include "infer/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace lathe::infer {

KvCache::KvCache(const Model& model, i64 capacity, DType dtype) : dtype_(dtype) {
  LATHE_CHECK(dtype == DType::kF32 || dtype == DType::kBf16);
  const i64 context = model.plan.spec.context_length;
  capacity_ = capacity > 0 ? std::min(capacity, context) : context;
  layers_.resize(static_cast<size_t>(model.plan.spec.n_layers));
  for (const BlockSpec* b : all_blocks(model.plan)) {
    Layer& layer = layers_.at(static_cast<size_t>(b->layer));
    layer.n_kv_heads = b->n_kv_heads;
    layer.d_head = b->d_head;
    layer.rows = div_up(capacity_, kRowGroup) * kRowGroup;
    const i64 n = checked_product(layer.rows * layer.n_kv_heads, layer.d_head, "the KV cache");
    const size_t bytes =
        static_cast<size_t>(checked_product(n, dtype_bytes(dtype_), "the KV cache"));
    layer.keys = Buffer(bytes);
    layer.values = Buffer(bytes);
  }
  for (const LoadedStage& stage : model.stages) {
    const auto* p = std::get_if<Project>(&stage);
    if (p && p->spec.kernel_size > 1) {
      memories_.emplace_back(static_cast<size_t>((p->spec.kernel_size - 1) * p->spec.in));
    }
  }
}

void KvCache::clear() {
  length_ = 0;
  for (auto& memory : memories_) std::fill(memory.begin(), memory.end(), 0.0f);
}

void KvCache::copy_from(const KvCache& other) {
  LATHE_CHECK(other.capacity_ == capacity_ && other.dtype_ == dtype_ &&
              other.layers_.size() == layers_.size());
  length_ = other.length_;
  memories_ = other.memories_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& to = layers_[i];
    const Layer& from = other.layers_[i];
    const i64 stride = to.rows * to.d_head * dtype_bytes(dtype_);
    const size_t used = static_cast<size_t>(length_ * to.d_head * dtype_bytes(dtype_));
    for (i64 h = 0; h < to.n_kv_heads; ++h) {
      std::memcpy(to.keys.as<char>() + h * stride, from.keys.as<char>() + h * stride, used);
      std::memcpy(to.values.as<char>() + h * stride, from.values.as<char>() + h * stride, used);
    }
  }
}

i64 KvCache::bytes_per_token() const {
  i64 n = 0;
  for (const Layer& l : layers_) n += 2 * l.n_kv_heads * l.d_head;
  return n * dtype_bytes(dtype_);
}

}  // namespace lathe::infer
