#include "train/bench/train.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include "base/median.h"
#include "base/rng.h"
#include "model/counts.h"
#include "run/spec_source.h"
#include "train/device.h"
#include "train/nn/init.h"
#include "train/nn/model.h"
#include "train/optim/optimizer.h"

namespace lathe::train {

namespace {

struct Bench {
  Bench(const std::string& name, const ModelSpec& spec, const BenchTrainSpec& options,
        at::Device device)
      : model_name(name),
        plan(make_plan(spec)),
        parameters(plan, device, options.precision),
        model(plan, parameters, options.recompute),
        optimizer(OptimizerSpec{}, parameters) {
    // Any weights of the right size will do; the structured kinds' own start costs decompositions.
    for (Parameter& p : parameters.list()) {
      if (p.info.init == InitRule::kOnes) p.value.fill_(1);
      if (p.info.matrix) p.value.normal_(0, p.info.std);
    }
    parameters.refresh_compute();
  }

  double step(const at::Tensor& tokens, at::Device device) {
    synchronize(device);
    const auto start = std::chrono::steady_clock::now();
    parameters.zero_grad();
    const double n = static_cast<double>(tokens.numel());
    loss = model.loss_and_grad(tokens, tokens, 1 / n);
    optimizer.step(6e-4, gradient_norm(std::vector{&parameters}));
    last_loss = loss.item<double>() / n;
    synchronize(device);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  }

  std::string model_name;
  Plan plan;
  Parameters parameters;
  Model model;
  Optimizer optimizer;
  at::Tensor loss;
  double last_loss = 0;
  std::vector<double> times;
};

}  // namespace

std::vector<BenchTrainRow> bench_train(const BenchTrainSpec& asked, int* threads_used) {
  BenchTrainSpec options = asked;
  const at::Device device = open_device(options.device, options.threads);
  *threads_used = at::get_num_threads();
  const PrecisionChoice choice = open_precision(options.precision, options.device);
  if (!choice.line.empty()) std::fprintf(stderr, "%s\n", choice.line.c_str());
  options.precision = choice.precision;
  std::vector<std::unique_ptr<Bench>> benches;
  for (const std::string& name : options.models) {
    ModelSpec spec = load_model_spec(name, options.overrides);
    if (options.context > 0) spec.context_length = options.context;
    benches.push_back(std::make_unique<Bench>(name, spec, options, device));
  }
  const auto dtype = benches.front()->parameters.compute_dtype;
  const double peak = measured_peak_flops(device, dtype);
  for (i64 round = -2; round < options.steps; ++round) {
    for (auto& bench : benches) {
      const ModelSpec& spec = bench->plan.spec;
      const at::Tensor tokens = at::randint(spec.vocab_size, {options.batch, spec.context_length},
                                            at::TensorOptions().dtype(at::kLong).device(device));
      const double ms = bench->step(tokens, device);
      if (round >= 0) bench->times.push_back(ms);
    }
  }
  std::vector<BenchTrainRow> rows;
  for (auto& bench : benches) {
    const double ms = median(bench->times);
    const i64 context = bench->plan.spec.context_length;
    const double tokens = static_cast<double>(options.batch * context);
    rows.push_back({.model = bench->model_name,
                    .params = count_params(bench->plan).total,
                    .precision = options.precision,
                    .ms = ms,
                    .tokens_per_s = tokens / ms * 1000,
                    .peak_share = 3 * forward_flops_per_token(bench->plan, context) * tokens /
                                  (ms / 1000) / peak,
                    .loss = bench->last_loss});
  }
  return rows;
}

}  // namespace lathe::train
