#include "infer/engine.h"

#include <filesystem>

namespace lathe::infer {

namespace {

// A name or path given by the user, else what the config names: a file of the model directory, or
// "bytes".
std::string tokenizer_path(const std::string& given, const std::string& directory,
                           const Model& model) {
  if (!given.empty()) return given;
  const std::string& name = model.plan.spec.tokenizer;
  if (name == "bytes") return name;
  return (std::filesystem::path(directory) / name).string();
}

std::unique_ptr<const Tokenizer> load_fitting(const std::string& path, const Model& model) {
  std::unique_ptr<const Tokenizer> tokenizer = load_tokenizer(path);
  if (tokenizer->vocab_size() > model.plan.spec.vocab_size) {
    fail("[tokenizer] {}: a tokenizer of another vocabulary: it has {} ids, the model {}", path,
         tokenizer->vocab_size(), model.plan.spec.vocab_size);
  }
  return tokenizer;
}

}  // namespace

Engine::Engine(const std::string& model_directory, const std::string& given, int n_threads)
    : directory(model_directory),
      model(load_model(directory)),
      tokenizer(load_fitting(tokenizer_path(given, directory, *model), *model)),
      pool(n_threads),
      state(pool) {}

}  // namespace lathe::infer
