// What the commands that run a model have in common: the model, its tokenizer, threads and scratch.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "infer/forward.h"
#include "infer/model.h"
#include "text/tokenizer.h"

namespace lathe {

struct ModelOptions {
  std::string model;      // model or run directory
  std::string tokenizer;  // "": the one that config.json names
  int threads = 0;        // 0: what affinity and cgroup allow
  PathChoice path = PathChoice::kAll;

  // MODEL, --tokenizer, --threads, --path. The app must not outlive this.
  void add_to(CLI::App& app);
};

struct ModelSession {
  explicit ModelSession(const ModelOptions& options);

  std::string directory;  // of the model: the newest checkpoint, where a run was named
  std::unique_ptr<const Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
  ThreadPool pool;
  State state;
};

}  // namespace lathe
