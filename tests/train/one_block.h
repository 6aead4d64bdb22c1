// A model of one block, to look at a single linear of any kind and shape.
#pragma once

#include "model/linear_spec.h"
#include "support/linear_kinds.h"
#include "train/nn/init.h"
#include "train/nn/linear.h"
#include "weights/merge.h"

namespace lathe::train {

using test::kLinearShapes;
using test::LinearShape;

// A plan of one block whose ffn.up is `option` from `in` to `out`, and ffn.down back.
inline Plan plan_with(const LinearOption& option, i64 in, i64 out) {
  ModelSpec spec;
  spec.vocab_size = 11;
  spec.context_length = 4;
  spec.d_model = in;
  spec.d_ff = out;
  spec.n_layers = 1;
  spec.n_heads = spec.n_kv_heads = 1;
  spec.d_head = 4;
  spec.dense_ffn_layers = {};
  spec.ffn_linear = option;
  return make_plan(spec);
}

// Every parameter normal with deviation 0.5.
struct OneBlock {
  OneBlock(const LinearOption& option, i64 in, i64 out, Precision precision = Precision::kF32)
      : plan(plan_with(option, in, out)), parameters(plan, at::kCPU, precision) {
    uint32_t stream = 0;
    for (Parameter& p : parameters.list()) {
      p.value.copy_(normal_tensor(p.info.shape, 0.5, 7, stream++));
    }
    parameters.refresh_compute();
  }
  const BlockSpec& block() const { return std::get<BlocksStage>(plan.stages[1]).blocks[0]; }
  std::string part(const char* name) const { return tensor_name(block().name, name); }
  Linear linear(const LinearSpec& spec, const char* name) {
    return Linear(spec, part(name), parameters);
  }
  Plan plan;
  Parameters parameters;
};

// The dense matrix of a linear whose factors are in `parameters`, by core's independent sum.
inline at::Tensor merged(Parameters& parameters, const LinearSpec& spec, const std::string& part) {
  std::vector<at::Tensor> held;
  std::vector<std::span<const float>> views;
  for (const Factor& factor : factors(spec)) {
    held.push_back(parameters.get(tensor_name(part, factor.name)).value.contiguous());
    views.emplace_back(held.back().data_ptr<float>(), held.back().numel());
  }
  at::Tensor dense = at::empty({spec.out, spec.in}, at::kFloat);
  merge_to_dense(spec, views, {dense.data_ptr<float>(), static_cast<size_t>(dense.numel())});
  return dense;
}

// ‖a − b‖ / ‖b‖.
inline double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / (b.norm() + 1e-30)).item<double>();
}

// Checks the gradient of `loss`, which is linear in each single number of `value` (so that a wide
// difference is exact but for rounding), at up to `n` of them; returns the largest deviation
// relative to the largest gradient.
template <class Loss>
double gradient_error(at::Tensor value, const at::Tensor& grad, const Loss& loss, i64 n = 40) {
  const at::Tensor flat = value.view({-1}), flat_grad = grad.contiguous().view({-1});
  const double size = grad.abs().max().item<double>();
  double worst = 0;
  for (i64 i = 0; i < flat.numel(); i += std::max<i64>(1, flat.numel() / n)) {
    const double before = flat[i].item<double>();
    flat[i] = before + 0.5;
    const double high = loss();
    flat[i] = before - 0.5;
    const double low = loss();
    flat[i] = before;
    worst = std::max(worst, std::abs(high - low - flat_grad[i].item<double>()) / size);
  }
  return worst;
}

}  // namespace lathe::train
