#include "weights/model_directory.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"

namespace lathe {

namespace fs = std::filesystem;

ModelDirectory open_model_directory(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    fail("[model] '{}' is no directory; expected one with {} and {}", path, kConfigFile,
         kWeightsFile);
  }
  const std::string config = (fs::path(path) / kConfigFile).string();
  const std::string weights = (fs::path(path) / kWeightsFile).string();
  for (const std::string& file : {config, weights}) {
    if (!fs::exists(file, ignored)) {
      fail("[model] '{}' is missing; a model directory holds {} and {}", file, kConfigFile,
           kWeightsFile);
    }
  }
  const ModelSpec spec = parse_model_spec(load_config(config), config);
  ModelDirectory directory{.path = path,
                           .plan = blaming(config, [&] { return make_plan(spec); }),
                           .weights = std::make_shared<const SafetensorsFile>(weights),
                           .tokenizer = spec.tokenizer};
  if (spec.tokenizer != kByteTokenizer) {
    directory.tokenizer = (fs::path(path) / spec.tokenizer).string();
  }
  return directory;
}

void write_model_directory(const std::string& folder, ModelSpec spec,
                           std::span<const TensorToWrite> tensors, const Tokenizer& tokenizer) {
  spec.tokenizer = tokenizer.save(folder);
  write_file_atomically(folder + "/" + kConfigFile, to_json(spec).dump(2) + "\n");
  write_safetensors(folder + "/" + kWeightsFile, tensors, {{"format", "pt"}});
}

}  // namespace lathe
