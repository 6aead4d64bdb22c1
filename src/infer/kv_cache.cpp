#include "infer/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/dispatch.h"

namespace lathe::infer {

KvCache::Layer KvCache::make_layer(i64 n_kv_heads, i64 d_head, i64 capacity, DType dtype) {
  constexpr const char* kWhat = "the KV cache";
  Layer layer{n_kv_heads, d_head, div_up(capacity, kRowGroup) * kRowGroup, {}, {}};
  const i64 rows = checked_product(layer.rows, n_kv_heads, kWhat);
  const auto bytes = static_cast<size_t>(checked_product(rows, layer.row_bytes(dtype), kWhat));
  layer.keys = Buffer(bytes);
  layer.values = Buffer(bytes);
  return layer;
}

KvCache::Convolution KvCache::make_convolution(i64 in, i64 kernel_size, i64 capacity) {
  const i64 n = checked_product(capacity + kernel_size - 1, in, "a convolution's inputs");
  return {in, kernel_size, Buffer(static_cast<size_t>(stored_bytes(DType::kF32, n)))};
}

KvCache::KvCache(const Model& model, i64 capacity, DType dtype) : dtype_(dtype) {
  const i64 context = model.plan.spec.context_length;
  capacity_ = capacity > 0 ? std::min(capacity, context) : context;
  make_room(model);
}

KvCache KvCache::with_room(const Model& model, i64 capacity, DType dtype) {
  KvCache cache(capacity, dtype);
  cache.make_room(model);
  return cache;
}

void KvCache::make_room(const Model& model) {
  LATHE_CHECK(stored_kernels(kernels(), dtype_).narrow != nullptr);
  layers_.resize(static_cast<size_t>(model.plan.spec.n_layers));
  for (const BlockSpec* b : all_blocks(model.plan)) {
    layers_.at(static_cast<size_t>(b->layer)) =
        make_layer(b->n_kv_heads, b->d_head, capacity_, dtype_);
  }
  for (const LoadedStage& stage : model.stages) {
    const auto* p = std::get_if<Project>(&stage);
    if (!p || p->spec.kernel_size == 1) continue;
    convolutions_.push_back(make_convolution(p->spec.in, p->spec.kernel_size, capacity_));
  }
}

i64 KvCache::bytes_per_token() const {
  i64 n = 0;
  for (const Layer& l : layers_) n += 2 * l.n_kv_heads * l.row_bytes(dtype_);
  return n;
}

void KvCache::truncate(i64 length) {
  LATHE_CHECK(length >= 0 && length <= length_);
  length_ = length;
}

KvCache KvCache::fork() const {
  KvCache copy(capacity_, dtype_);
  copy.length_ = length_;
  for (const Layer& from : layers_) {
    Layer to = make_layer(from.n_kv_heads, from.d_head, capacity_, dtype_);
    const auto used = static_cast<size_t>(length_ * from.row_bytes(dtype_));
    for (i64 h = 0; h < from.n_kv_heads; ++h) {
      const i64 at = from.at(dtype_, h, 0);
      std::memcpy(to.keys.as<char>() + at, from.keys.as<char>() + at, used);
      std::memcpy(to.values.as<char>() + at, from.values.as<char>() + at, used);
    }
    copy.layers_.push_back(std::move(to));
  }
  for (const Convolution& from : convolutions_) {
    Convolution to = make_convolution(from.in, from.kernel_size, capacity_);
    const i64 used = (from.kernel_size - 1 + length_) * from.in;
    std::copy_n(from.inputs.as<float>(), used, to.inputs.as<float>());
    copy.convolutions_.push_back(std::move(to));
  }
  return copy;
}

void KvCache::append(i64 layer_index, i64 t, const float* keys, const float* values) {
  const Layer& l = layer(layer_index);
  const auto narrow = stored_kernels(kernels(), dtype_).narrow;
  for (i64 h = 0; h < l.n_kv_heads; ++h) {
    const i64 at = l.at(dtype_, h, length_ + t);
    narrow(keys + h * l.d_head, l.keys.as<char>() + at, l.d_head);
    narrow(values + h * l.d_head, l.values.as<char>() + at, l.d_head);
  }
}

void KvCache::clear_behind(i64 layer_index, i64 n) {
  const Layer& l = layer(layer_index);
  const i64 end = length_ + n;
  const i64 rows = div_up(end, kRowGroup) * kRowGroup - end;
  for (i64 h = 0; h < l.n_kv_heads; ++h) {
    std::memset(l.values.as<char>() + l.at(dtype_, h, end), 0,
                static_cast<size_t>(rows * l.row_bytes(dtype_)));
  }
}

KvSpan KvCache::keys(i64 layer_index, i64 head) const {
  const Layer& l = layer(layer_index);
  return {dtype_, l.keys.as<char>() + l.at(dtype_, head, 0)};
}

KvSpan KvCache::values(i64 layer_index, i64 head) const {
  const Layer& l = layer(layer_index);
  return {dtype_, l.values.as<char>() + l.at(dtype_, head, 0)};
}

void KvCache::append_inputs(i64 project, i64 n, const float* inputs) {
  const Convolution& c = convolution(project);
  std::copy_n(inputs, n * c.in, c.inputs.as<float>() + (c.kernel_size - 1 + length_) * c.in);
}

const float* KvCache::window(i64 project, i64 t) const {
  const Convolution& c = convolution(project);
  return c.inputs.as<float>() + (length_ + t) * c.in;
}

}  // namespace lathe::infer
