#include "weights/sharded_source.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "weights/model_directory.h"

namespace lathe {

namespace {

namespace fs = std::filesystem;

class ShardedSource : public WeightSource {
 public:
  ShardedSource(std::string where, std::vector<std::unique_ptr<const SafetensorsFile>> files,
                std::vector<TensorView> tensors)
      : WeightSource(std::move(where), std::move(tensors)), files_(std::move(files)) {}

  void read_ahead() const override {
    for (const auto& file : files_) file->read_ahead();
  }

 private:
  std::vector<std::unique_ptr<const SafetensorsFile>> files_;
};

std::shared_ptr<const WeightSource> open_shards(const fs::path& folder) {
  const std::string where = (folder / kIndexFile).string();
  const ShardIndex index = parse_shard_index(read_text_file(where), where);
  std::map<std::string, const SafetensorsFile*> by_name;
  std::vector<std::unique_ptr<const SafetensorsFile>> files;
  std::vector<TensorView> tensors;
  for (const auto& [tensor, file] : index.files) {
    const SafetensorsFile*& opened = by_name[file];
    if (!opened) {
      const fs::path path = folder / file;
      if (!fs::exists(path)) {
        fail("[import] {}: names '{}', which is not beside it; fetch all files of the model", where,
             file);
      }
      files.push_back(std::make_unique<const SafetensorsFile>(path.string()));
      opened = files.back().get();
    }
    tensors.push_back(opened->get(tensor));
  }
  return std::make_shared<ShardedSource>(where, std::move(files), std::move(tensors));
}

}  // namespace

ShardIndex parse_shard_index(std::string_view json, const std::string& where) {
  const auto root = nlohmann::json::parse(json, nullptr, false);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (!root.is_object() || map == root.end() || !map->is_object()) {
    fail("[import] {}: no JSON object with a weight_map; is the file whole?", where);
  }
  ShardIndex index;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_file_name(file.get_ref<const std::string&>())) {
      fail("[import] {}: tensor '{}' is said to be in {}, expected a file beside the index", where,
           tensor,
           file.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 80));
    }
    index.files.emplace_back(tensor, file.get<std::string>());
  }
  return index;
}

std::shared_ptr<const WeightSource> open_safetensors_folder(const std::string& folder) {
  const fs::path path(folder);
  if (fs::exists(path / kIndexFile)) return open_shards(path);
  if (fs::exists(path / kWeightsFile)) {
    return std::make_shared<const SafetensorsFile>((path / kWeightsFile).string());
  }
  const bool pickled =
      fs::exists(path / "pytorch_model.bin") || fs::exists(path / "pytorch_model.bin.index.json");
  fail("[import] '{}' holds neither {} nor {}{}", folder, kWeightsFile, kIndexFile,
       pickled ? "; pytorch_model.bin is a program that would have to be run, save the model as "
                 "safetensors"
               : "");
}

}  // namespace lathe
