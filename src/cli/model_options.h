// What the commands that run a model have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "infer/engine.h"
#include "infer/forward.h"

namespace lathe {

struct ModelOptions {
  std::string model;      // model or run directory
  std::string tokenizer;  // "": the one that config.json names
  int threads = 0;        // 0: what affinity and cgroup allow
  infer::PathChoice path = infer::PathChoice::kAll;

  // MODEL, --tokenizer, --threads, --path. The app must not outlive this. Where MODEL is not
  // required it may be "".
  void add_to(CLI::App& app, bool required = true);
};

// Of a run directory the newest whole checkpoint. Error too where a path is asked for and the model
// has none.
std::unique_ptr<infer::Engine> open_engine(const ModelOptions& options);

}  // namespace lathe
