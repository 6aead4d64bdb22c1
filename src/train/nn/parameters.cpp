#include "train/nn/parameters.h"

#include "base/error.h"
#include "run/freeze.h"

namespace lathe::train {

Parameters::Parameters(const std::vector<TensorInfo>& tensors, Precision precision)
    : compute_dtype(precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat) {
  LATHE_CHECK(precision != Precision::kAuto);  // open_precision() has chosen
  for (const TensorInfo& info : tensors) {
    by_name_[info.name] = list_.size();
    list_.push_back({.info = info, .value = {}, .grad = {}, .compute = {}});
  }
}

Parameters::Parameters(const std::vector<TensorInfo>& tensors, at::Device device,
                       Precision precision)
    : Parameters(tensors, precision) {
  constexpr i64 kAlign = 32;  // elements: 64 bytes of bf16, a cache line
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

std::unique_ptr<Parameters> Parameters::fixed(const Plan& plan, at::Device device,
                                              Precision precision) {
  std::unique_ptr<Parameters> made(new Parameters(tensor_list(plan), precision));
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  made->flat_value = made->flat_grad = at::empty({0}, options);
  const bool masters = made->compute_dtype == at::kFloat;
  for (Parameter& p : made->list_) {
    p.frozen = true;
    // Lookups, norms and gates read f32.
    const bool read = !p.info.matrix || p.info.role == Role::kEmbedding;
    if (masters || read) p.value = at::zeros(p.info.shape, options);
    p.compute = masters ? p.value : at::zeros(p.info.shape, options.dtype(made->compute_dtype));
  }
  return made;
}

void Parameters::freeze(const std::vector<std::string>& patterns) {
  for (Parameter& p : list_) p.frozen = is_frozen(p.info.name, patterns);
}

void Parameters::clear_frozen_grad() {
  for (Parameter& p : list_) {
    if (p.frozen) p.grad.zero_();
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
  if (compute_dtype == at::kFloat) return;
  if (flat_compute_.defined()) {
    flat_compute_.copy_(flat_value);
    return;
  }
  for (Parameter& p : list_) {
    if (p.value.defined()) p.compute.copy_(p.value);
  }
}

}  // namespace lathe::train
