#include "cli/model_options.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/cpu_limits.h"
#include "cli/choices.h"
#include "cli/count_ranges.h"
#include "run/run_directory.h"

namespace lathe {

namespace {

bool has_paths(const Plan& plan) {
  return std::any_of(plan.stages.begin(), plan.stages.end(),
                     [](const auto& stage) { return std::holds_alternative<ForkStage>(stage); });
}

}  // namespace

void ModelOptions::add_to(CLI::App& app, bool required) {
  app.add_option("model", model,
                 "model directory (config.json, model.safetensors, tokenizer), or run directory")
      ->required(required)
      ->type_name("MODEL");
  app.add_option("--tokenizer", tokenizer, "another tokenizer than the model directory's")
      ->type_name("TOK");
  app.add_option("--threads", threads, "threads (default: what affinity and cgroup allow)")
      ->check(kThreads)
      ->type_name("N");
  add_choice(app, "--path", path,
             "all: every parallel path, weighted; best: only the one with the largest weight")
      ->type_name("");
}

std::unique_ptr<infer::Engine> open_engine(const ModelOptions& options) {
  const std::string directory = model_directory(
      options.model, [](const std::string& text) { std::fputs((text + "\n").c_str(), stderr); });
  auto engine = std::make_unique<infer::Engine>(
      directory, options.tokenizer, options.threads > 0 ? options.threads : available_threads());
  const Plan& plan = engine->model->plan;
  if (options.path == infer::PathChoice::kBest && !has_paths(plan)) {
    fail("{}: this model has no paths to choose from (topology {}); leave out --path best",
         directory, name_of(plan.spec.topology.kind));
  }
  return engine;
}

}  // namespace lathe
