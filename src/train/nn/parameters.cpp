#include "train/nn/parameters.h"

#include "base/error.h"

namespace lathe::train {

Parameters::Parameters(const std::vector<TensorInfo>& tensors, at::Device device,
                       Precision precision)
    : compute_dtype(precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat) {
  LATHE_CHECK(precision != Precision::kAuto);  // open_precision() has chosen
  constexpr i64 kAlign = 32;                   // elements: 64 bytes of bf16, a cache line
  for (const TensorInfo& info : tensors) {
    by_name_[info.name] = list_.size();
    list_.push_back({.info = info, .value = {}, .grad = {}, .compute = {}, .offset = 0});
  }
  i64 offset = 0;
  for (const bool matrix : {true, false}) {
    for (Parameter& p : list_) {
      if (p.info.matrix != matrix) continue;
      p.offset = offset;
      offset += div_up(p.info.numel(), kAlign) * kAlign;
    }
    if (matrix) matrix_numel = offset;
  }
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  flat_value = at::zeros({offset}, options);
  flat_grad = at::zeros({offset}, options);
  flat_compute_ =
      compute_dtype == at::kFloat ? flat_value : at::zeros({offset}, options.dtype(compute_dtype));
  for (Parameter& p : list_) {
    const auto slice = [&](const at::Tensor& flat) {
      return flat.narrow(0, p.offset, p.info.numel()).view(p.info.shape);
    };
    p.value = slice(flat_value);
    p.grad = slice(flat_grad);
    p.compute = slice(flat_compute_);
  }
}

Parameter* Parameters::find(const std::string& name) {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &list_[at->second];
}

Parameter& Parameters::get(const std::string& name) {
  Parameter* p = find(name);
  LATHE_CHECK(p != nullptr);
  return *p;
}

FactorPair factor_pair(Parameters& parameters, const std::string& part, const LinearSpec& spec) {
  return {spec, &parameters.get(tensor_name(part, kFactorV)),
          &parameters.get(tensor_name(part, kFactorU))};
}

std::vector<FactorPair> factor_pairs(Parameters& parameters) {
  std::vector<FactorPair> pairs;
  for (const Parameter& p : parameters.list()) {
    // Once a pair: where its v stands.
    if (p.info.init != InitRule::kFactors || !p.info.name.ends_with(tensor_name("", kFactorV))) {
      continue;
    }
    pairs.push_back(factor_pair(parameters, p.info.part, *p.info.linear));
  }
  return pairs;
}

void Parameters::refresh_compute() {
  if (compute_dtype != at::kFloat) flat_compute_.copy_(flat_value);
}

}  // namespace lathe::train
