// The update of the weights: AdamW on the flat buffers of Parameters, or Spectron on the factors of
// structured linears with AdamW for the rest.
#pragma once

#include "train/optim/optimizer_factors.h"

namespace lathe::train {

// Norm of the whole gradient of several sets, a scalar f32 tensor on the device; no host sync.
at::Tensor gradient_norm(std::span<Parameters* const> sets);

class Optimizer {
 public:
  // Frozen parameters, of which it looks once, have no update and no decay.
  Optimizer(const OptimizerSpec& spec, Parameters& parameters);

  // One update from Parameters::grad with the gradient clipped to spec.clip, given its norm (over
  // all sets). `lr` is the rate now, between 0 and spec.lr. Leaves everything as it was if `norm`
  // is not finite (decided on the device). Gradients are not zeroed.
  //
  // Factors: spec.factor_lr scales their rate; with spec.factor_decay = frobenius the gradient of
  // ½‖product‖² times lr · weight_decay is taken off in place of their own decay; under spectron
  // (arXiv 2602.12429) each changes by lr'·O, O the orthogonalised momentum, with
  // lr' = spectron_lr · (lr / spec.lr) / (σ(v) + σ(u) + 1), so that the product's change has a
  // spectral norm of about spectron_lr at most.
  void step(double lr, const at::Tensor& norm);

  // After `factor` was replaced by an equivalent one in another basis: its momentum is dropped and
  // each second moment becomes their mean.
  void forget_basis(const Parameter& factor);

  // Flat states, laid out as Parameters' buffers; for checkpoints.
  at::Tensor exp_avg, exp_avg_sq;
  // Updates done, an f32 scalar on the device (what Adam's bias correction counts).
  at::Tensor updates;
  // Spectron's vectors of the power iteration, (n_blocks, 1, rows), by the factor's name.
  std::vector<std::pair<std::string, at::Tensor>> power_vectors;

 private:
  // Tensors with the same rate and decay; neighbours in the flat buffers are one slice.
  struct Group {
    double rate = 1, decay = 0;
    std::vector<std::pair<i64, i64>> ranges;  // [begin, end) in elements
  };
  void make_groups();
  void step_adamw(double lr, const at::Tensor& divisor, const at::Tensor& skip);
  // The same by the CPU's kernel in one pass, which also rounds the compute copies; false where
  // there is none.
  bool step_adamw_on_cpu(double lr, const at::Tensor& divisor, const at::Tensor& skip);
  void decay_products(double lr, const at::Tensor& keep);
  void step_spectron(double lr, const at::Tensor& divisor, const at::Tensor& keep);

  OptimizerSpec spec_;
  Parameters& parameters_;
  std::vector<FactorPair> pairs_;
  std::vector<Group> groups_;
};

}  // namespace lathe::train
