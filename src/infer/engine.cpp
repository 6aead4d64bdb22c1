#include "infer/engine.h"

namespace lathe::infer {

namespace {

std::unique_ptr<const Tokenizer> load_fitting(const std::string& path, const Model& model) {
  std::unique_ptr<const Tokenizer> tokenizer = load_tokenizer(path);
  if (tokenizer->vocab_size() > model.plan.spec.vocab_size) {
    fail("[tokenizer] {}: a tokenizer of another vocabulary: it has {} ids, the model {}", path,
         tokenizer->vocab_size(), model.plan.spec.vocab_size);
  }
  return tokenizer;
}

}  // namespace

Engine::Engine(const std::string& path, const std::string& given, int n_threads)
    : Engine(open_model_directory(path), given, n_threads) {}

Engine::Engine(ModelDirectory opened, const std::string& given, int n_threads)
    : directory(opened.path),
      pool(n_threads),
      model(make_model(std::move(opened.plan), *opened.weights, pool)),
      tokenizer(load_fitting(given.empty() ? opened.tokenizer : given, *model)),
      state(pool) {}

}  // namespace lathe::infer
