#include "cli/model_session.h"

#include <cstdio>
#include <filesystem>
#include <string>

#include "core/cpu_limits.h"
#include "core/run_directory.h"
#include "infer/generate.h"

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

}  // namespace

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("model", model,
                 "model directory (config.json, model.safetensors, tokenizer), or run directory")
      ->required()
      ->type_name("MODEL");
  app.add_option("--tokenizer", tokenizer, "another tokenizer than the model directory's")
      ->type_name("TOK");
  app.add_option("--threads", threads, "threads (default: what affinity and cgroup allow)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  app.add_option_function<std::string>(
         "--path",
         [this](const std::string& name) {
           path = name == "best" ? PathChoice::kBest : PathChoice::kAll;
         },
         "all: every parallel path, weighted; best: only the one with the largest weight")
      ->check(CLI::IsMember({"all", "best"}))
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
}

}  // namespace lathe
