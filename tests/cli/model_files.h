// A tiny model directory for the commands that run one, whole or with something wrong with it.
#pragma once

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "cli/checks.h"
#include "infer/reference_model.h"
#include "support/temp_dir.h"
#include "support/tiny_bpe.h"
#include "support/tiny_models.h"

namespace lathe::test {

// A random model of bytes.
struct ModelFiles {
  explicit ModelFiles(TopologyKind topology = TopologyKind::kGpt) {
    spec.vocab_size = 257;
    spec.n_layers = 2;
    spec.topology.kind = topology;
    spec.ffn_linear = {LinearKind::kLowRank, 12, 0};
    weights = random_weights(make_plan(spec), 5);
    std::filesystem::create_directory(path);
    write_model(spec, weights, path);
  }
  TempDir dir;
  std::string path = dir.file("model");
  std::string config = path + "/config.json", tensors = path + "/model.safetensors";
  ModelSpec spec = tiny_spec();
  TinyWeights weights;
};

struct BadModel {
  std::function<void(ModelFiles&)> damage;
  std::vector<std::string> parts;  // of what is said
};

// Every way in which a model directory can be wrong.
inline std::vector<BadModel> bad_models() {
  using Files = ModelFiles;
  namespace fs = std::filesystem;
  const auto set = [](const char* key, const Json& value) {
    return [=](Files& m) {
      Json json = to_json(m.spec);
      json[key] = value;
      write_file(m.config, json.dump());
    };
  };
  const auto replace = [](std::string Files::*file, const std::string& content) {
    return [=](Files& m) { write_file(m.*file, content); };
  };
  const auto folder_for = [](std::string Files::*file) {
    return [=](Files& m) {
      fs::remove(m.*file);
      fs::create_directory(m.*file);
    };
  };
  // The header is a length of 8 bytes, then JSON.
  const auto length_of_header = [](uint64_t length) {
    return [=](Files& m) {
      std::string bytes = read_file(m.tensors);
      std::memcpy(bytes.data(), &length, 8);
      write_file(m.tensors, bytes);
    };
  };
  const auto in_header = [](const std::string& from, const std::string& to) {
    return [=](Files& m) {
      std::string bytes = read_file(m.tensors);
      const size_t at = bytes.find(from);
      REQUIRE(at != std::string::npos);
      REQUIRE(from.size() == to.size());
      write_file(m.tensors, bytes.replace(at, from.size(), to));
    };
  };
  const auto cut_to = [](double share) {
    return [=](Files& m) {
      const auto size = static_cast<double>(fs::file_size(m.tensors));
      fs::resize_file(m.tensors, static_cast<uintmax_t>(share * size));
    };
  };
  return {
      {[](Files& m) { fs::remove_all(m.path); }, {"no such model or run directory"}},
      {[](Files& m) { fs::remove(m.config); }, {"neither a config.json", "nor checkpoints"}},
      {[](Files& m) { fs::remove(m.tensors); }, {"model.safetensors' is missing"}},
      {folder_for(&Files::config), {"config.json", "Is a directory"}},
      {folder_for(&Files::tensors), {"model.safetensors", "a folder", "regular file"}},
      {replace(&Files::config, ""), {"config.json", "not valid JSON"}},
      {replace(&Files::config, "{\"d_model\": 4"), {"config.json", "not valid JSON", "line 1"}},
      {replace(&Files::config, "[]"), {"config.json"}},
      {set("d_modl", 48), {"config.json", "'d_modl'", "did you mean 'd_model'"}},
      {set("two\nlines", 48), {"config.json", "two\\nlines"}},
      {set("n_layers", "many"), {"config.json", "'n_layers'", "\"many\"", "whole number"}},
      {set("n_layers", 3), {"model.safetensors", "is missing"}},
      {set("n_layers", 1), {"model.safetensors", "is not in the config's model"}},
      {set("d_ff", 192), {"model.safetensors", "the config asks for", "192"}},
      {set("d_model", 0), {"config.json", "d_model"}},
      {set("vocab_size", 1e300), {"config.json", "'vocab_size'"}},
      {set("norm", "batch"), {"config.json", "'norm'", "layer_norm"}},
      {set("tokenizer", "tokenizer.json"), {"tokenizer.json", "does not exist"}},
      {replace(&Files::tensors, ""), {"model.safetensors", "0 bytes", "no safetensors file"}},
      {cut_to(0.5), {"model.safetensors", "incomplete download"}},
      {cut_to(0.01), {"model.safetensors", "incomplete download"}},
      {length_of_header(uint64_t{1} << 62), {"model.safetensors", "the header claims"}},
      {length_of_header(10'000'000), {"model.safetensors", "the header claims 10000000 bytes"}},
      {length_of_header(20), {"model.safetensors", "not valid JSON"}},
      {in_header("[257,48]", "[256,48]"), {"model.safetensors", "f32 (256, 48)", "data_offsets"}},
      {in_header("\"F32\"", "\"F99\""), {"model.safetensors", "'F99'"}},
      {in_header("\"shape\"", "\"shale\""), {"model.safetensors", "'shale'"}},
      {[](Files& m) {  // ids that the model has not
         Json json = to_json(m.spec);
         json["tokenizer"] = "tokenizer.json";
         write_file(m.config, json.dump());
         write_file(m.path + "/tokenizer.json", tiny_bpe_json({{"a", "b"}}).dump());
       },
       {"tokenizer.json", "258 ids", "257"}},
  };
}

// `arguments(model directory)` refuses every bad model in one line.
inline void check_bad_models(
    const std::function<std::vector<std::string>(const ModelFiles&)>& arguments) {
  for (const BadModel& bad : bad_models()) {
    ModelFiles files;
    bad.damage(files);
    check_refused(run_lathe(arguments(files)), 1, bad.parts);
  }
}

}  // namespace lathe::test
