#include "train/optim/optimizer.h"

#include <ATen/ops/_fused_adamw.h>

#include "train/nn/fused.h"
#include "train/nn/init.h"

namespace lathe::train {

at::Tensor gradient_norm(std::span<Parameters* const> sets) {
  // Row by row, and then of the rows' norms: LibTorch sums a row in one order on any number of
  // threads, but not a whole buffer.
  constexpr i64 kRow = 1 << 14;
  std::vector<at::Tensor> norms;
  for (const Parameters* set : sets) {
    const at::Tensor& grad = set->flat_grad;
    const i64 rows = grad.numel() / kRow;
    norms.push_back(
        at::linalg_vector_norm(grad.narrow(0, 0, rows * kRow).view({rows, kRow}), 2, 1));
    norms.push_back(
        at::linalg_vector_norm(grad.narrow(0, rows * kRow, grad.numel() - rows * kRow)).view({1}));
  }
  return at::linalg_vector_norm(at::cat(norms));
}

Optimizer::Optimizer(const OptimizerSpec& spec, Parameters& parameters)
    : exp_avg(at::zeros_like(parameters.flat_value)),
      exp_avg_sq(at::zeros_like(parameters.flat_value)),
      updates(at::zeros({}, parameters.flat_value.options())),
      spec_(spec),
      parameters_(parameters),
      pairs_(factor_pairs(parameters)) {
  make_groups();
  if (spec_.kind != OptimizerKind::kSpectron) return;
  const auto add = [&](const Parameter& p, const at::Tensor& blocks) {
    // Any start that is not orthogonal to the first singular vector.
    const auto stream = static_cast<uint32_t>(power_vectors.size());
    const at::Tensor start = normal_tensor({blocks.size(0), 1, blocks.size(1)}, 1, 0, stream);
    power_vectors.emplace_back(p.info.name, start.to(blocks.device()));
  };
  for (const FactorPair& pair : pairs_) {
    add(*pair.v, v_blocks(pair, parameters_.flat_value));
    add(*pair.u, u_blocks(pair, parameters_.flat_value));
  }
}

void Optimizer::make_groups() {
  std::map<const Parameter*, double> rates;  // of factors
  for (const FactorPair& pair : pairs_) {
    const bool aware = spec_.factor_lr == FactorRate::kStructureAware;
    const auto [v, u] = aware ? structure_aware_rates(pair.spec) : std::pair(1.0, 1.0);
    rates[pair.v] = v;
    rates[pair.u] = u;
  }
  std::vector<const Parameter*> order;
  for (const Parameter& p : parameters_.list()) order.push_back(&p);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (size_t i = 0; i < order.size(); ++i) {
    const Parameter& p = *order[i];
    if (p.frozen) continue;
    const bool factor = rates.contains(&p);
    if (factor && spec_.kind == OptimizerKind::kSpectron) continue;
    const bool decays = (p.info.matrix || spec_.decay == Decay::kAll) &&
                        !(factor && spec_.factor_decay == FactorDecay::kFrobenius);
    const double rate = factor ? rates[&p] : 1, decay = decays ? spec_.weight_decay : 0;
    const i64 end = i + 1 < order.size() ? order[i + 1]->offset : parameters_.flat_value.numel();
    auto group = std::find_if(groups_.begin(), groups_.end(),
                              [&](const Group& g) { return g.rate == rate && g.decay == decay; });
    if (group == groups_.end()) group = groups_.insert(group, {rate, decay, {}});
    auto& ranges = group->ranges;
    if (!ranges.empty() && ranges.back().second == p.offset) {
      ranges.back().second = end;
    } else {
      ranges.emplace_back(p.offset, end);
    }
  }
}

void Optimizer::step_adamw(double lr, const at::Tensor& divisor, const at::Tensor& skip) {
  for (const Group& group : groups_) {
    const auto slices = [&](const at::Tensor& flat) {
      std::vector<at::Tensor> list;
      for (const auto& [begin, end] : group.ranges)
        list.push_back(flat.narrow(0, begin, end - begin));
      return list;
    };
    auto value = slices(parameters_.flat_value), grad = slices(parameters_.flat_grad);
    auto first = slices(exp_avg), second = slices(exp_avg_sq);
    const std::vector<at::Tensor> steps(group.ranges.size(), updates);
    at::_fused_adamw_(value, grad, first, second, {}, steps, lr * group.rate, spec_.betas[0],
                      spec_.betas[1], group.decay, spec_.eps, /*amsgrad=*/false, /*maximize=*/false,
                      divisor, skip);
  }
}

bool Optimizer::step_adamw_on_cpu(double lr, const at::Tensor& divisor, const at::Tensor& skip) {
  const TrainKernels* kernels = fused_kernels(parameters_.flat_value);
  if (!kernels) return false;
  if (skip.item<float>() != 0) return true;
  const double n = updates.item<double>();
  AdamW update;
  update.value = f32_data(parameters_.flat_value);
  update.grad = f32_data(parameters_.flat_grad);
  update.exp_avg = f32_data(exp_avg);
  update.exp_avg_sq = f32_data(exp_avg_sq);
  if (parameters_.compute_dtype == at::kBFloat16) {
    update.rounded = static_cast<uint16_t*>(parameters_.flat_compute().data_ptr());
  }
  update.beta1 = static_cast<float>(spec_.betas[0]);
  update.beta2 = static_cast<float>(spec_.betas[1]);
  update.eps = static_cast<float>(spec_.eps);
  update.correction1 = static_cast<float>(1 - std::pow(spec_.betas[0], n));
  update.correction2 = static_cast<float>(1 - std::pow(spec_.betas[1], n));
  update.grad_scale = 1 / divisor.item<float>();
  for (const Group& group : groups_) {
    update.lr = static_cast<float>(lr * group.rate);
    update.weight_decay = static_cast<float>(group.decay);
    for (const auto& [begin, end] : group.ranges) {
      for_ranges(end - begin, 1 << 14, [&, first = begin](i64 from, i64 to) {
        kernels->adamw(update, first + from, first + to);
      });
    }
  }
  return true;
}

void Optimizer::decay_products(double lr, const at::Tensor& keep) {
  const at::Tensor scale = keep * (-lr * spec_.weight_decay);
  for (const FactorPair& pair : pairs_) {
    at::Tensor v = v_blocks(pair, parameters_.flat_value),
               u = u_blocks(pair, parameters_.flat_value);
    const auto [dv, du] = product_norm_gradient(v, u);
    if (!pair.v->frozen) v.addcmul_(dv, scale);
    if (!pair.u->frozen) u.addcmul_(du, scale);
  }
}

void Optimizer::step_spectron(double lr, const at::Tensor& divisor, const at::Tensor& keep) {
  constexpr double kMomentum = 0.95;  // Muon's, with Nesterov's look ahead
  const double factor_lr = spec_.lr > 0 ? spec_.spectron_lr * lr / spec_.lr : 0;
  const bool decays = spec_.factor_decay == FactorDecay::kPlain;
  const at::Tensor kept = keep > 0;
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const FactorPair& pair = pairs_[i];
    at::Tensor v = v_blocks(pair, parameters_.flat_value),
               u = u_blocks(pair, parameters_.flat_value);
    const at::Tensor size = largest_singular_value(v, power_vectors[2 * i].second) +
                            largest_singular_value(u, power_vectors[2 * i + 1].second);
    const at::Tensor rate = factor_lr / (size + 1);
    const auto update = [&](at::Tensor& value, const at::Tensor& grad, at::Tensor momentum) {
      const at::Tensor g = grad / divisor;
      momentum.copy_(at::where(kept, at::lerp(momentum, g, 1 - kMomentum), momentum));
      const at::Tensor direction = orthogonalised(at::lerp(g, momentum, kMomentum));
      const at::Tensor decayed = decays ? value * (1 - factor_lr * spec_.weight_decay) : value;
      value.copy_(at::where(kept, decayed - rate * direction, value));
    };
    if (!pair.v->frozen) {
      update(v, v_blocks(pair, parameters_.flat_grad), v_blocks(pair, exp_avg));
    }
    if (!pair.u->frozen) {
      update(u, u_blocks(pair, parameters_.flat_grad), u_blocks(pair, exp_avg));
    }
  }
}

void Optimizer::step(double lr, const at::Tensor& norm) {
  const at::Tensor skip = at::logical_not(at::isfinite(norm)).to(at::kFloat), keep = 1 - skip;
  // The fused kernel divides gradients by this: norm / clip where that is more than 1.
  const at::Tensor divisor =
      spec_.clip > 0 ? (norm / spec_.clip).clamp_min(1.0) : at::ones_like(norm);
  updates.add_(keep);
  if (spec_.factor_decay == FactorDecay::kFrobenius) decay_products(lr, keep);
  const bool rounded = step_adamw_on_cpu(lr, divisor, skip);
  if (!rounded) step_adamw(lr, divisor, skip);
  const bool spectron = spec_.kind == OptimizerKind::kSpectron;
  if (spectron) step_spectron(lr, divisor, keep);
  if (!rounded || spectron) parameters_.refresh_compute();
}

void Optimizer::forget_basis(const Parameter& factor) {
  const i64 n = factor.info.numel();
  exp_avg.narrow(0, factor.offset, n).zero_();
  at::Tensor squares = exp_avg_sq.narrow(0, factor.offset, n);
  squares.fill_(squares.mean());
}

}  // namespace lathe::train
