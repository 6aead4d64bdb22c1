// dataset.json.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/error.h"
#include "base/suggest.h"
#include "data/dataset.h"
#include "data/dataset_fields.h"

namespace lathe {
namespace {

std::string read_file_name(const Json& entry, const std::string& where) {
  const auto file = entry.find("file");
  if (file == entry.end() || !file->is_string() || !is_plain_file_name(file->get<std::string>())) {
    fail("[data] {}: 'file' of a shard is {}, expected a file name inside the folder", where,
         file == entry.end() ? "missing" : file->dump(-1, ' ', true));
  }
  return file->get<std::string>();
}

ShardInfo read_shard(const Json& entry, const std::string& where) {
  if (!entry.is_object())
    fail("[data] {}: 'shards' holds {}, expected objects", where, entry.type_name());
  check_keys(entry, {"file", "tokens", "checksum", "mask"}, where);
  ShardInfo info{read_file_name(entry, where), read_count(entry, "tokens", where),
                 read_checksum(entry, "checksum", where)};
  const auto mask = entry.find("mask");
  if (mask == entry.end()) return info;
  if (!mask->is_object()) fail("[data] {}: 'mask' of a shard is no object", where);
  check_keys(*mask, {"file", "counted", "checksum"}, where);
  info.mask = {read_file_name(*mask, where), read_count(*mask, "counted", where),
               read_checksum(*mask, "checksum", where)};
  if (info.mask->file != mask_file_of(info.file)) {
    fail("[data] {}: the mask of '{}' is '{}', expected '{}'", where, info.file, info.mask->file,
         mask_file_of(info.file));
  }
  if (info.mask->counted > info.tokens) {
    fail("[data] {}: the mask of '{}' counts {} of {} tokens", where, info.file, info.mask->counted,
         info.tokens);
  }
  return info;
}

SplitInfo read_split(const Json& root, const char* key, const std::string& where) {
  const auto found = root.find(key);
  if (found == root.end() || !found->is_object()) {
    fail("[data] {}: '{}' is missing, expected an object; prepare the data again", where, key);
  }
  check_keys(*found, {"tokens", "bytes", "documents"}, where);
  return {read_count(*found, "tokens", where), read_count(*found, "bytes", where),
          read_count(*found, "documents", where)};
}

std::vector<ShardInfo> read_shards(const Json& root, const char* key, const std::string& where) {
  const auto all = root.find("shards");
  if (all == root.end()) return {};
  if (!all->is_object()) fail("[data] {}: 'shards' is no object", where);
  check_keys(*all, {"train", "val"}, where);
  const auto found = all->find(key);
  if (found == all->end() || !found->is_array()) {
    fail("[data] {}: '{}' of 'shards' is missing, expected a list", where, key);
  }
  return read_shard_list(*found, where);
}

Json split_json(const SplitInfo& split) {
  return {{"tokens", split.tokens}, {"bytes", split.bytes}, {"documents", split.documents}};
}

}  // namespace

void check_keys(const Json& object, const std::vector<std::string>& known,
                const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail("[data] {}: unknown key '{}'{}", where, key, did_you_mean(key, known));
  }
}

i64 read_count(const Json& parent, const char* key, const std::string& where) {
  const auto found = parent.find(key);
  if (found == parent.end() || !found->is_number_integer() ||
      (found->is_number_unsigned() && found->get<uint64_t>() >> 63 != 0) || found->get<i64>() < 0) {
    fail("[data] {}: '{}' is {}, expected a whole number of at least 0", where, key,
         found == parent.end() ? "missing" : found->dump(-1, ' ', true));
  }
  return found->get<i64>();
}

uint32_t read_checksum(const Json& parent, const char* key, const std::string& where) {
  const i64 sum = read_count(parent, key, where);
  if (sum > UINT32_MAX) fail("[data] {}: '{}' is {}, expected 32 bits", where, key, sum);
  return static_cast<uint32_t>(sum);
}

std::vector<ShardInfo> read_shard_list(const Json& list, const std::string& where) {
  std::vector<ShardInfo> shards;
  for (const Json& entry : list) shards.push_back(read_shard(entry, where));
  return shards;
}

Json shards_json(const std::vector<ShardInfo>& shards) {
  Json list = Json::array();
  for (const ShardInfo& shard : shards) {
    list.push_back({{"file", shard.file}, {"tokens", shard.tokens}, {"checksum", shard.checksum}});
    if (!shard.mask) continue;
    list.back()["mask"] = {{"file", shard.mask->file},
                           {"counted", shard.mask->counted},
                           {"checksum", shard.mask->checksum}};
  }
  return list;
}

DatasetInfo parse_dataset_info(std::string_view text, const std::string& where) {
  const Json root = parse_json(text, "[data] " + where);
  if (!root.is_object()) fail("[data] {}: not a JSON object; is the file whole?", where);
  check_keys(root, {"tokenizer", "fingerprint", "vocab_size", "train", "val", "shards"}, where);
  DatasetInfo info;
  const auto tokenizer = root.find("tokenizer");
  if (tokenizer == root.end() || !tokenizer->is_string()) {
    fail("[data] {}: 'tokenizer' is missing, expected the name of the tokenizer's file", where);
  }
  info.tokenizer = tokenizer->get<std::string>();
  if (!is_plain_file_name(info.tokenizer)) {
    fail("[data] {}: 'tokenizer' is '{}', expected a file name inside the folder", where,
         info.tokenizer.c_str());
  }
  if (const auto print = root.find("fingerprint"); print != root.end()) {
    if (!print->is_string()) fail("[data] {}: 'fingerprint' is no string", where);
    info.fingerprint = print->get<std::string>();
  }
  info.vocab_size = read_count(root, "vocab_size", where);
  if (info.vocab_size == 0) {
    fail("[data] {}: 'vocab_size' is 0, expected at least 1; prepare the data again", where);
  }
  info.train = read_split(root, "train", where);
  info.val = read_split(root, "val", where);
  info.train.shards = read_shards(root, "train", where);
  info.val.shards = read_shards(root, "val", where);
  return info;
}

std::string to_json(const DatasetInfo& info) {
  Json root = {{"tokenizer", info.tokenizer},
               {"vocab_size", info.vocab_size},
               {"train", split_json(info.train)},
               {"val", split_json(info.val)}};
  if (!info.train.shards.empty() || !info.val.shards.empty()) {
    root["shards"] = {{"train", shards_json(info.train.shards)},
                      {"val", shards_json(info.val.shards)}};
  }
  if (!info.fingerprint.empty()) root["fingerprint"] = info.fingerprint;
  return root.dump(2, ' ', true) + "\n";
}

DatasetInfo load_dataset_info(const std::string& dir) {
  const std::string path = dir + "/" + kDatasetFile;
  if (!has_dataset_info(dir)) {
    fail("[data] '{}' has no dataset.json, expected a folder made by 'lathe data prepare'", dir);
  }
  return parse_dataset_info(read_text_file(path), path);
}

bool has_dataset_info(const std::string& dir) {
  std::error_code ignored;
  return std::filesystem::exists(dir + "/" + kDatasetFile, ignored);
}

}  // namespace lathe
