// What whoever runs a model holds: the model, its tokenizer, threads and scratch.
#pragma once

#include <memory>
#include <string>

#include "infer/model.h"
#include "infer/state.h"
#include "text/tokenizer.h"
#include "weights/model_directory.h"

namespace lathe::infer {

struct Engine {
  // Loads a model directory. `tokenizer`: a name or path in place of what its config names; empty:
  // that. Error where the directory is no whole model, or the tokenizer has ids that the model has
  // not.
  Engine(const std::string& directory, const std::string& tokenizer, int n_threads);

  std::string directory;
  ThreadPool pool;
  std::unique_ptr<const Model> model;
  std::unique_ptr<const Tokenizer> tokenizer;
  State state;

 private:
  Engine(ModelDirectory opened, const std::string& tokenizer, int n_threads);
};

}  // namespace lathe::infer
