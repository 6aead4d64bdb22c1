// lathe bench train: the speed of training steps.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench_options.h"
#include "cli/output.h"
#include "train/bench/train.h"

namespace lathe {

namespace {

struct Options : BenchOptions {
  train::BenchTrainSpec spec;
};

void print_rows(const std::vector<train::BenchTrainRow>& rows, const train::BenchTrainSpec& spec,
                int threads) {
  std::string text =
      format("training steps of {} sequences, in turns, median of {}, {}, {} threads\n", spec.batch,
             spec.steps, name_of(rows[0].precision), threads);
  text += format("{:<28} {:>12} {:>10} {:>12} {:>8} {:>8}\n", "model", "parameters", "ms/step",
                 "tokens/s", "of peak", "ratio");
  for (const train::BenchTrainRow& row : rows) {
    text += format("{:<28} {:>12} {:>10.1f} {:>12.1f} {:>7.1f}% {:>8.2f}\n", row.model, row.params,
                   row.ms, row.tokens_per_s, 100 * row.peak_share,
                   row.tokens_per_s / rows.front().tokens_per_s);
  }
  print(text);
}

void print_json(const std::vector<train::BenchTrainRow>& rows, int threads) {
  Json list = Json::array();
  for (const train::BenchTrainRow& row : rows) {
    Json object;
    object["model"] = row.model;
    object["params"] = row.params;
    object["precision"] = name_of(row.precision);
    object["ms"] = row.ms;
    object["tokens_per_s"] = row.tokens_per_s;
    object["peak_share"] = row.peak_share;
    object["threads"] = threads;
    list.push_back(object);
  }
  print(list.dump(1) + "\n");
}

}  // namespace

void add_bench_train(CLI::App& app) {
  CLI::App& steps =
      *app.add_subcommand("train", "training steps on random tokens, models in turns");
  const auto options = std::make_shared<Options>();
  train::BenchTrainSpec& spec = options->spec;
  spec.models = {"gpt2-s", "gpt2-s-lowrank32"};
  steps.add_option("SPEC", spec.models, "presets, spec files, run files or model directories")
      ->capture_default_str();
  steps.add_option("--set", spec.overrides, "KEY=VALUE on every spec")->allow_extra_args(false);
  steps.add_option("--batch", spec.batch, "sequences a step")
      ->capture_default_str()
      ->check(kPositiveCount);
  steps.add_option("--context", spec.context, "tokens a sequence; 0: the model's")
      ->capture_default_str()
      ->check(kCount);
  steps.add_option("--steps", spec.steps, "timed steps, after two that are not")
      ->capture_default_str()
      ->check(kPositiveCount);
  steps.add_flag("--recompute", spec.recompute, "compute activations again in the backward");
  options->add_to(steps);
  steps.callback([options] {
    options->apply(options->spec);
    int threads = 0;
    const auto rows = train::bench_train(options->spec, &threads);
    if (options->json) {
      print_json(rows, threads);
    } else {
      print_rows(rows, options->spec, threads);
    }
  });
}

}  // namespace lathe
