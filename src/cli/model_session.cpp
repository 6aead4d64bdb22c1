#include "cli/model_session.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>

#include "base/cpu_limits.h"
#include "cli/choices.h"
#include "cli/count_ranges.h"
#include "infer/generate.h"
#include "run/run_directory.h"

namespace lathe {

namespace {

// The tokenizer that the config names: a file of the model directory, or "bytes".
std::string tokenizer_path(const ModelOptions& options, const std::string& directory,
                           const Model& model) {
  if (!options.tokenizer.empty()) return options.tokenizer;
  const std::string& name = model.plan.spec.tokenizer;
  if (name == "bytes") return name;
  return (std::filesystem::path(directory) / name).string();
}

bool has_paths(const Plan& plan) {
  return std::any_of(plan.stages.begin(), plan.stages.end(),
                     [](const auto& stage) { return std::holds_alternative<ForkStage>(stage); });
}

}  // namespace

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("model", model,
                 "model directory (config.json, model.safetensors, tokenizer), or run directory")
      ->required()
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

ModelSession::ModelSession(const ModelOptions& options)
    : directory(model_directory(
          options.model,
          [](const std::string& text) { std::fputs((text + "\n").c_str(), stderr); })),
      model(load_model(directory)),
      tokenizer(load_tokenizer(tokenizer_path(options, directory, *model))),
      pool(options.threads > 0 ? options.threads : available_threads()),
      state(pool) {
  check_tokenizer(*model, *tokenizer, tokenizer_path(options, directory, *model));
  if (options.path == PathChoice::kBest && !has_paths(model->plan)) {
    fail("{}: this model has no paths to choose from (topology {}); leave out --path best",
         directory, name_of(model->plan.spec.topology.kind));
  }
}

}  // namespace lathe
