#include "train/optimizer.h"

#include <ATen/ops/_fused_adamw.h>

namespace lathe::train {

AdamW::AdamW(const OptimizerSpec& spec, Parameters& parameters)
    : exp_avg(at::zeros_like(parameters.flat_value)),
      exp_avg_sq(at::zeros_like(parameters.flat_value)),
      updates(at::zeros({}, parameters.flat_value.options())),
      spec_(spec),
      parameters_(parameters) {}

at::Tensor AdamW::grad_norm() const { return at::linalg_vector_norm(parameters_.flat_grad); }

void AdamW::update(i64 begin, i64 end, double lr, double decay, const at::Tensor& divisor,
                   const at::Tensor& skip) {
  if (begin == end) return;
  const auto slice = [&](const at::Tensor& flat) {
    return std::vector<at::Tensor>{flat.narrow(0, begin, end - begin)};
  };
  auto value = slice(parameters_.flat_value), grad = slice(parameters_.flat_grad);
  auto first = slice(exp_avg), second = slice(exp_avg_sq);
  const std::vector<at::Tensor> steps = {updates};
  at::_fused_adamw_(value, grad, first, second, {}, steps, lr, spec_.betas[0], spec_.betas[1],
                    decay, spec_.eps, /*amsgrad=*/false, /*maximize=*/false, divisor, skip);
}

void AdamW::step(double lr, const at::Tensor& norm) {
  const at::Tensor skip = at::logical_not(at::isfinite(norm)).to(at::kFloat);
  // The fused kernel divides gradients by this: norm / clip where that is more than 1.
  const at::Tensor divisor =
      spec_.clip > 0 ? (norm / spec_.clip).clamp_min(1.0) : at::ones_like(norm);
  updates.add_(1 - skip);
  const i64 all = parameters_.flat_value.numel();
  const i64 decaying = spec_.decay == Decay::kAll ? all : parameters_.matrix_numel;
  update(0, decaying, lr, spec_.weight_decay, divisor, skip);
  update(decaying, all, lr, 0, divisor, skip);
  parameters_.refresh_compute();
}

}  // namespace lathe::train
