#include "weights/weight_source.h"

#include <algorithm>

#include "base/error.h"
#include "base/suggest.h"

namespace lathe {

i64 TensorView::numel() const {
  i64 n = 1;
  for (const i64 d : shape) n *= d;
  return n;
}

std::string describe_tensor(DType dtype, std::span<const i64> shape) {
  std::string text(name_of(dtype));
  text += " (";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

WeightSource::WeightSource(std::string where, std::vector<TensorView> tensors)
    : where_(std::move(where)), tensors_(std::move(tensors)) {
  for (size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const TensorView* WeightSource::find(const std::string& name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &tensors_[at->second];
}

const TensorView& WeightSource::get(const std::string& name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  std::vector<std::string> names;
  for (const TensorView& t : tensors_) names.push_back(t.name);
  fail("[weights] {}: no tensor '{}' among {}{}", where_, name, names.size(),
       did_you_mean(name, names));
}

void check_weights(const WeightSource& source, const std::vector<TensorInfo>& wanted,
                   std::span<const DType> types) {
  std::vector<std::string> names;
  for (const TensorInfo& info : wanted) {
    names.push_back(info.name);
    const TensorView* t = source.find(info.name);
    if (!t) {
      fail("[weights] {}: tensor '{}' {} is missing; the config is of another model",
           source.where(), info.name, describe_tensor(DType::kF32, info.shape));
    }
    if (std::find(types.begin(), types.end(), t->dtype) == types.end()) {
      std::string known;
      for (const DType type : types)
        known += (known.empty() ? "" : ", ") + std::string(name_of(type));
      fail("[weights] {}: tensor '{}' is {}, expected one of {}; convert it", source.where(),
           info.name, describe_tensor(t->dtype, t->shape), known);
    }
    if (t->shape != info.shape) {
      fail("[weights] {}: tensor '{}' is {}, the config asks for {}", source.where(), info.name,
           describe_tensor(t->dtype, t->shape), describe_tensor(t->dtype, info.shape));
    }
  }
  if (source.tensors().size() == wanted.size()) return;
  for (const TensorView& t : source.tensors()) {
    if (std::find(names.begin(), names.end(), t.name) != names.end()) continue;
    fail("[weights] {}: tensor '{}' {} is not in the config's model{}", source.where(), t.name,
         describe_tensor(t.dtype, t.shape), did_you_mean(t.name, names));
  }
}

}  // namespace lathe
