#include "weights/model_directory.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"

namespace lathe {

namespace fs = std::filesystem;

std::string read_chat_template(const std::string& folder) {
  const fs::path path = fs::path(folder) / kChatTemplateFile;
  std::error_code ignored;
  return fs::exists(path, ignored) ? read_text_file(path.string()) : "";
}

namespace {

void write_texts(const std::string& folder, ModelSpec spec, const Tokenizer& tokenizer,
                 const std::string& chat_template) {
  spec.tokenizer = tokenizer.save(folder);
  write_file_atomically(folder + "/" + kConfigFile, to_json(spec).dump(2) + "\n");
  if (chat_template.empty()) return;
  write_file_atomically(folder + "/" + kChatTemplateFile, chat_template);
}

}  // namespace

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
                           .tokenizer = spec.tokenizer,
                           .chat_template = {}};
  if (spec.tokenizer != kByteTokenizer) {
    directory.tokenizer = (fs::path(path) / spec.tokenizer).string();
  }
  directory.chat_template = read_chat_template(path);
  return directory;
}

void write_model_directory(const std::string& folder, ModelSpec spec,
                           std::span<const TensorToWrite> tensors, const Tokenizer& tokenizer,
                           const std::string& chat_template) {
  write_texts(folder, std::move(spec), tokenizer, chat_template);
  write_safetensors(folder + "/" + kWeightsFile, tensors, {{"format", "pt"}});
}

void write_model_directory(const std::string& folder, const ModelValues& model, DType matrices,
                           const Tokenizer& tokenizer, const std::string& chat_template,
                           const OnTensor& on_tensor) {
  write_texts(folder, model.plan.spec, tokenizer, chat_template);
  std::map<std::string, TensorInfo> infos;
  std::vector<TensorHead> heads;
  for (TensorInfo& info : tensor_list(model.plan)) {
    heads.push_back({info.name, info.matrix ? matrices : DType::kF32, info.shape});
    infos.emplace(info.name, std::move(info));
  }
  SafetensorsWriter writer(folder + "/" + kWeightsFile, std::move(heads), {{"format", "pt"}});
  write_tensors(
      writer, [&](const std::string& name) { return model.read(infos.at(name)); }, on_tensor);
}

}  // namespace lathe
