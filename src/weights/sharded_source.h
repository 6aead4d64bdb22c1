// The weights of a Hugging Face directory: model.safetensors, or several files and an index.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "weights/safetensors.h"

namespace lathe {

inline constexpr const char* kIndexFile = "model.safetensors.index.json";

// Which file holds each tensor, in the order of the names.
struct ShardIndex {
  std::vector<std::pair<std::string, std::string>> files;  // tensor, file name
};
// Parser of outside bytes. Error naming `where` unless every file is a plain name, in the same
// folder.
ShardIndex parse_shard_index(std::string_view json, const std::string& where);

// The files of a folder as one. Error that names a file where one is missing or holds other tensors
// than the index says.
std::shared_ptr<const WeightSource> open_safetensors_folder(const std::string& folder);

}  // namespace lathe
