#include "train/factorize/factorize.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/checksum.h"
#include "base/duration.h"
#include "model/counts.h"
#include "train/factorize/held_out.h"
#include "train/factorize/measured_losses.h"
#include "train/factorize/sizes.h"
#include "train/nn/linear.h"
#include "weights/allocation.h"

namespace lathe::train {

namespace {

// A model's weights on the CPU, in f32.
void fill(const ModelValues& values, Parameters& parameters) {
  for (Parameter& p : parameters.list()) {
    std::vector<float> from = values.read(p.info);
    p.value.copy_(at::from_blob(from.data(), p.info.shape, at::kFloat));
  }
  parameters.refresh_compute();
}

class Factorizer {
 public:
  Factorizer(const ModelDirectory& source, const Tokenizer& tokenizer,
             const std::vector<std::string>& overrides, const FactorizeOptions& options,
             const OnStage& on_stage)
      : source_(source),
        options_(options),
        on_stage_(on_stage),
        values_(values_of(source.plan, source.weights)),
        dense_(merged(values_)),
        sizes_(source.plan, overrides, options),
        parameters_(dense_.plan, at::kCPU, Precision::kF32) {
    on_stage_("reading the model");
    fill(dense_, parameters_);
    parameters_.freeze({"*"});  // a backward pass then has no weights' gradients to make
    read_text(tokenizer);
  }

  FactorizeResult run() {
    FactorizeReport report;
    collect_moments();
    report.n_calibration = moments_ ? moments_->n_inputs : 0;
    std::optional<HeldOut> check;
    const Model dense(dense_.plan, parameters_, /*recompute=*/false);
    if (!text_.held_out.empty()) {
      on_stage_("running the model as it was over held-out text");
      check.emplace(dense, text_.held_out);
    }
    std::map<std::string, double> measured;
    if (options_.allocate) measured = allocate_sizes(dense, *check);
    const Plan plan = sizes_.plan();
    auto made = std::make_shared<std::map<std::string, std::vector<float>>>();
    const auto replaced = sizes_.replaced();
    for (size_t i = 0; i < replaced.size(); ++i) {
      on_stage_(format("factorising {} of {} matrices", i + 1, replaced.size()));
      report.linears.push_back(factorize_one(replaced[i], *made));
      const auto at = measured.find(replaced[i].part);
      if (at != measured.end()) report.linears.back().measured_kl = at->second;
    }
    ModelValues result{plan, reader(made), DType::kF32};
    report.params_before = count_params(source_.plan).total;
    report.params_after = count_params(plan).total;
    report.share = sizes_.share();
    if (check) compare(*check, result, report);
    return {std::move(result), std::move(report)};
  }

 private:
  void read_text(const Tokenizer& tokenizer) {
    const bool has_stats = !options_.stats.empty() && std::filesystem::exists(options_.stats);
    if (options_.calibrate.empty()) {
      if (options_.allocate) {
        fail("[factorize] --allocate measures on text; name one with --calibrate");
      }
      if (options_.method != FactorizeMethod::kPlain && !has_stats) {
        fail(
            "[factorize] method {} learns from text; name one with --calibrate, or statistics "
            "with --stats",
            name_of(options_.method));
      }
      return;
    }
    const ModelSpec& spec = source_.plan.spec;
    const auto n_texts = static_cast<i64>(options_.calibrate.size());
    const i64 window = std::min(options_.window, spec.context_length);
    const auto share = [&](i64 tokens) {
      return std::max<i64>(1, tokens / n_texts / std::max<i64>(window, 1));
    };
    for (const std::string& path : options_.calibrate) {
      const TokenSource text =
          open_token_source(path, tokenizer, spec.vocab_size, spec.begin_token);
      CalibrationText cut =
          cut_windows(text, window, share(options_.tokens), share(options_.check_tokens), path);
      const auto append = [](auto& to, auto& from) {
        to.insert(to.end(), std::make_move_iterator(from.begin()),
                  std::make_move_iterator(from.end()));
      };
      append(text_.windows, cut.windows);
      append(text_.held_out, cut.held_out);
    }
  }

  // What moments there are, from the file or the text; none for the plain method.
  void collect_moments() {
    if (options_.method == FactorizeMethod::kPlain) return;
    std::map<std::string, LinearSpec> wanted;
    for (const SizedLinear& l : sizes_.in_scope()) wanted.emplace(l.part, l.spec);
    const MomentSource source{
        .model = model_checksum(),
        .text = checksum_of(text_.windows),
        .n_windows = static_cast<i64>(text_.windows.size()),
        .window = text_.windows.empty() ? 0 : static_cast<i64>(text_.windows[0].size()) - 1,
        .gradients = options_.method == FactorizeMethod::kKfac};
    moments_.emplace();
    const std::string& file = options_.stats;
    if (!file.empty() && std::filesystem::exists(file)) {
      on_stage_("reading statistics");
      *moments_ = load_moments(file, wanted, at::kCPU);
      check_source(source);
      if (moments_->is_whole()) return;
    } else {
      moments_->source = source;
      for (const auto& [part, spec] : wanted) {
        LinearMoments& sums = moments_->linears[part];
        sums.inputs = at::zeros({spec.in, spec.in});
        sums.input_sum = at::zeros({spec.in});
        if (source.gradients) sums.gradients = at::zeros({spec.out, spec.out});
      }
    }
    MomentCollector collector(*moments_);
    Model model(dense_.plan, parameters_, /*recompute=*/false, nullptr, &collector);
    std::function<void()> save;
    if (!file.empty()) save = [&] { save_moments(file, *moments_); };
    const i64 before = moments_->n_done;
    const auto start = std::chrono::steady_clock::now();
    collect(
        model, *moments_, text_.windows,
        [&](i64 done, i64 all) {
          const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
          const double left =
              taken.count() * static_cast<double>(all - done) / static_cast<double>(done - before);
          on_stage_(format("statistics of {} of {} windows of text, {} left", done, all,
                           duration_text(left)));
        },
        save);
  }

  std::string model_checksum() const {
    return format("{:08x}", file_checksum(source_.path + "/" + kWeightsFile));
  }

  void check_source(const MomentSource& now) const {
    const MomentSource& then = moments_->source;
    const std::string& file = options_.stats;
    if (then.model != now.model) {
      fail("[stats] {} holds statistics of another model (weights {}, here {}); name another file",
           file, then.model, now.model);
    }
    if (now.gradients && !then.gradients) {
      fail("[stats] {} holds no output gradients, which kfac needs; name another file", file);
    }
    if (text_.windows.empty()) {
      if (moments_->is_whole()) return;
      fail("[stats] {} is not finished ({} of {} windows); give --calibrate again to go on", file,
           moments_->n_done, then.n_windows);
    }
    if (then.text != now.text || then.n_windows != now.n_windows || then.window != now.window) {
      fail(
          "[stats] {} is of another text or another part of it ({} windows of {} tokens, here {} "
          "of "
          "{}); name another file, or leave out --calibrate to use it as it is",
          file, then.n_windows, then.window, now.n_windows, now.window);
    }
  }

  at::Tensor dense_weight(const std::string& part) {
    return parameters_.get(tensor_name(part, kDenseWeight)).value;
  }

  // Under the linear's metric; centred where a bias takes the mean error out.
  ErrorMetric metric(const SizedLinear& l) const {
    if (!moments_) return {};
    const bool kfac = options_.method == FactorizeMethod::kKfac;
    // Shares of the diagonal as KFAC-SVD has them; inputs alone need none.
    const Shrinkage shrinkage = kfac ? Shrinkage{0.1, 0.3} : Shrinkage{};
    return metric_of(*moments_, moments_->linears.at(l.part), l.spec.bias, kfac, shrinkage);
  }

  FactorizedLinear factorize_one(const SizedLinear& l,
                                 std::map<std::string, std::vector<float>>& made) {
    const at::Tensor w = dense_weight(l.part);
    const ErrorMetric cost = metric(l);
    const auto found = Projection(l.spec, w, cost).factors_at(l.spec, options_.sweeps);
    const auto list = factors(l.spec);
    for (size_t i = 0; i < list.size(); ++i) {
      const at::Tensor flat = found[i].contiguous();
      const float* values = flat.data_ptr<float>();
      made[tensor_name(l.part, list[i].name)].assign(values, values + flat.numel());
    }
    const at::Tensor error = w - merged_product(l.spec, found[0], found[1]);
    if (l.spec.bias && moments_) correct_bias(l, error, made);
    const double lost = weighted_error(error, cost);
    FactorizedLinear done{l.part, l.spec, 1 - lost / weighted_error(w, cost), 0, -1};
    if (options_.method == FactorizeMethod::kKfac) done.predicted_loss = lost / 2;
    return done;
  }

  // b' = b + E·mean: what the error does to a mean input.
  void correct_bias(const SizedLinear& l, const at::Tensor& error,
                    std::map<std::string, std::vector<float>>& made) {
    const std::string name = tensor_name(l.part, "bias");
    at::Tensor bias =
        at::mv(error.to(at::kDouble), mean_input(*moments_, moments_->linears.at(l.part)));
    if (const Parameter* before = parameters_.find(name)) bias = bias + before->value;
    const at::Tensor narrow = bias.to(at::kFloat).contiguous();
    made[name].assign(narrow.data_ptr<float>(), narrow.data_ptr<float>() + narrow.numel());
  }

  // The model as it is now: what was made, what stayed, and 0 for biases that are new.
  std::function<std::vector<float>(const TensorInfo&)> reader(
      std::shared_ptr<std::map<std::string, std::vector<float>>> made) const {
    std::map<std::string, bool> there;
    for (const TensorInfo& info : tensor_list(source_.plan)) there[info.name] = true;
    std::map<std::string, bool> in_dense;
    for (const TensorInfo& info : tensor_list(dense_.plan)) in_dense[info.name] = true;
    return
        [made, there, in_dense, own = values_.read, dense = dense_.read](const TensorInfo& info) {
          const auto at = made->find(info.name);
          if (at != made->end()) return at->second;
          if (there.contains(info.name)) return own(info);
          if (in_dense.contains(info.name)) return dense(info);
          return std::vector<float>(static_cast<size_t>(info.numel()), 0.0f);
        };
  }

  // Chooses a size for each linear in scope. What a size costs the model is its error, scaled by
  // what the linear alone at about half of its parameters was measured to cost for each unit of
  // error.
  std::map<std::string, double> allocate_sizes(const Model& dense, const HeldOut& check) {
    constexpr int kSizes = 16;
    constexpr double kMeasuredShare = 0.5;
    constexpr size_t kWindows = 2;  // to measure one linear on
    const auto& windows = text_.held_out;
    const std::vector measured_on(windows.begin(),
                                  windows.begin() + std::min(windows.size(), kWindows));
    // The statistics decide what a linear is replaced by.
    const std::string text =
        checksum_of(measured_on) + (moments_ ? " " + moments_->source.text : "");
    MeasuredLosses losses(options_.stats.empty() ? "" : options_.stats + ".kl", model_checksum(),
                          text);
    std::map<std::string, double> measured;
    std::vector<std::vector<SizeChoice>> items;
    std::vector<std::vector<LinearOption>> options;
    const auto& scope = sizes_.in_scope();
    for (size_t i = 0; i < scope.size(); ++i) {
      on_stage_(format("measuring {} of {} matrices", i + 1, scope.size()));
      const SizedLinear& l = scope[i];
      const at::Tensor weight = dense_weight(l.part);
      const ErrorMetric cost = metric(l);
      auto& choices = items.emplace_back();
      auto& sizes = options.emplace_back(spread_sizes(option_of(l.spec), l.spec, kSizes, l.part));
      std::optional<Projection> projection;
      std::optional<LinearSpec> near;  // to the measured share
      double nearest = 2, its_error = 1;
      at::Tensor product;
      for (const LinearOption& size : sizes) {
        const LinearSpec spec = at_widths(size, l.spec);
        if (!projection || !takes_rank(size.kind)) projection.emplace(spec, weight, cost);
        const double error = projection->error_at(spec);
        choices.push_back({linear_weights(spec), error});
        const double distance = std::abs(share_of(size, std::span(&l.spec, 1)) - kMeasuredShare);
        if (distance >= nearest) continue;
        nearest = distance;
        its_error = error;
        near = spec;
        const auto found = projection->factors_at(spec);
        product = merged_product(spec, found[0], found[1]);
      }
      const std::string change =
          format("{} {} {}", name_of(options_.method), l.part, describe_linear(*near));
      std::optional<double> kl = losses.find(change);
      if (!kl) {
        const at::Tensor w = weight.clone();
        weight.copy_(product);
        kl = std::max(0.0, check.compare(dense, kWindows).kl);
        weight.copy_(w);
        losses.add(change, *kl);
      }
      measured[l.part] = *kl;
      for (SizeChoice& choice : choices) choice.error *= *kl / std::max(its_error, 1e-300);
      choices.push_back({l.spec.in * l.spec.out, 0});
      sizes.push_back({});
    }
    const auto chosen = allocate(items, sizes_.budget());
    for (size_t i = 0; i < scope.size(); ++i) sizes_.choose(scope[i].part, options[i][chosen[i]]);
    return measured;
  }

  void compare(const HeldOut& check, const ModelValues& result, FactorizeReport& report) const {
    on_stage_("running the smaller model over held-out text");
    Parameters smaller(result.plan, at::kCPU, Precision::kF32);
    fill(result, smaller);
    const HeldOutFit fit = check.compare(Model(result.plan, smaller, false));
    report.n_checked = check.n_tokens();
    report.ppl_before = std::exp(check.reference_nll());
    report.ppl_after = std::exp(fit.nll_per_token);
    report.kl = fit.kl;
  }

  const ModelDirectory& source_;
  const FactorizeOptions& options_;
  const OnStage& on_stage_;
  ModelValues values_, dense_;
  LinearSizes sizes_;
  Parameters parameters_;  // of dense_
  CalibrationText text_;
  std::optional<Moments> moments_;
};

}  // namespace

FactorizeResult factorize(const ModelDirectory& source, const Tokenizer& tokenizer,
                          const std::vector<std::string>& overrides,
                          const FactorizeOptions& options, const OnStage& on_stage) {
  return Factorizer(source, tokenizer, overrides, options, on_stage).run();
}

}  // namespace lathe::train
