#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/content_hash.h"
#include "base/error.h"
#include "base/suggest.h"

namespace lathe {
namespace {

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

ShardInfo read_shard(const Json& entry, const std::string& where) {
  if (!entry.is_object())
    fail("[data] {}: 'shards' holds {}, expected objects", where, entry.type_name());
  check_keys(entry, {"file", "tokens", "checksum"}, where);
  const auto file = entry.find("file");
  if (file == entry.end() || !file->is_string() || !is_plain_file_name(file->get<std::string>())) {
    fail("[data] {}: 'file' of a shard is {}, expected a file name inside the folder", where,
         file == entry.end() ? "missing" : file->dump(-1, ' ', true));
  }
  const i64 sum = read_count(entry, "checksum", where);
  if (sum > UINT32_MAX) fail("[data] {}: 'checksum' is {}, expected 32 bits", where, sum);
  return {file->get<std::string>(), read_count(entry, "tokens", where), static_cast<uint32_t>(sum)};
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
  std::vector<ShardInfo> shards;
  const auto all = root.find("shards");
  if (all == root.end()) return shards;
  if (!all->is_object()) fail("[data] {}: 'shards' is no object", where);
  check_keys(*all, {"train", "val"}, where);
  const auto found = all->find(key);
  if (found == all->end() || !found->is_array()) {
    fail("[data] {}: '{}' of 'shards' is missing, expected a list", where, key);
  }
  for (const Json& entry : *found) shards.push_back(read_shard(entry, where));
  return shards;
}

Json shards_json(const std::vector<ShardInfo>& shards) {
  Json list = Json::array();
  for (const ShardInfo& shard : shards) {
    list.push_back({{"file", shard.file}, {"tokens", shard.tokens}, {"checksum", shard.checksum}});
  }
  return list;
}

Json split_json(const SplitInfo& split) {
  return {{"tokens", split.tokens}, {"bytes", split.bytes}, {"documents", split.documents}};
}

}  // namespace

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

int32_t require_end_of_text(const Tokenizer& tokenizer) {
  const auto id = tokenizer.end_of_text();
  if (!id) {
    fail(
        "[data] the tokenizer has no end-of-text token, expected <|endoftext|>, </s> or <eos> "
        "among its special tokens; documents could not be told apart");
  }
  return *id;
}

bool is_validation_document(uint64_t hash, double val_fraction, uint64_t split_seed) {
  return static_cast<double>(content_hash(hash, split_seed) >> 11) * 0x1p-53 < val_fraction;
}

DatasetWriter::DatasetWriter(const std::string& dir, const Tokenizer& tokenizer,
                             double val_fraction, i64 shard_tokens, uint64_t split_seed)
    : dir_(dir),
      tokenizer_(tokenizer),
      end_of_text_(require_end_of_text(tokenizer)),
      val_fraction_(val_fraction),
      split_seed_(split_seed),
      train_{ShardWriter(dir, "train", tokenizer.vocab_size(), shard_tokens), {}},
      val_{ShardWriter(dir, "val", tokenizer.vocab_size(), shard_tokens), {}} {
  if (!(val_fraction >= 0 && val_fraction < 1)) {
    fail("[data] a validation share of {}, expected 0 to less than 1", val_fraction);
  }
}

void DatasetWriter::put(Split& split, std::span<const int32_t> ids, i64 n_bytes) {
  split.writer.append(ids);
  split.info.tokens += static_cast<i64>(ids.size());
  split.info.bytes += n_bytes;
  ++split.info.documents;
}

DatasetWriter::Split& DatasetWriter::side_of(uint64_t hash) {
  return is_validation_document(hash, val_fraction_, split_seed_) ? val_ : train_;
}

void DatasetWriter::hold(Held document) {
  if (!held_) {
    held_ = std::move(document);
    return;
  }
  if (document.hash < held_->hash) std::swap(*held_, document);
  put(side_of(document.hash), document.ids, document.n_bytes);
}

void DatasetWriter::add_document(std::vector<int32_t> ids, i64 n_bytes, uint64_t hash) {
  if (ids.empty()) return;
  ids.insert(ids.begin(), end_of_text_);
  ++n_documents_;
  Split& side = side_of(hash);
  if (held_ && &side_of(held_->hash) != &side) {
    put(side_of(held_->hash), held_->ids, held_->n_bytes);
    held_.reset();
  }
  const bool both = val_fraction_ == 0 || (n_documents_ > 1 && !held_);
  if (both) return put(side, ids, n_bytes);
  hold({std::move(ids), n_bytes, hash});
}

void DatasetWriter::divide_held() {
  const auto n = static_cast<i64>(held_->ids.size());  // end of text and at least one more
  const auto wanted = static_cast<i64>(std::llround(val_fraction_ * static_cast<double>(n)));
  const auto n_val = static_cast<size_t>(std::clamp<i64>(wanted, 1, n - 1));
  const std::span<const int32_t> all = held_->ids;
  const auto tail = all.last(n_val);
  // Decoding the tail by itself would put U+FFFD for a character that is cut in two.
  i64 tail_bytes = 0;
  for (const int32_t id : tail) tail_bytes += static_cast<i64>(tokenizer_.token_bytes(id).size());
  put(train_, all.first(all.size() - n_val), std::max<i64>(held_->n_bytes - tail_bytes, 0));
  put(val_, tail, std::min(tail_bytes, held_->n_bytes));
}

DatasetInfo DatasetWriter::finish() {
  if (n_documents_ == 0) {
    fail("[data] the inputs hold no text, expected at least one document that is not empty");
  }
  if (held_ && n_documents_ == 1) {
    divide_held();
  } else if (held_) {
    Split& other = &side_of(held_->hash) == &train_ ? val_ : train_;
    put(other, held_->ids, held_->n_bytes);
  }
  train_.writer.finish();
  val_.writer.finish();
  train_.info.shards = train_.writer.shards();
  val_.info.shards = val_.writer.shards();
  DatasetInfo info{tokenizer_.save(dir_), tokenizer_.vocab_size(), train_.info, val_.info,
                   tokenizer_.fingerprint()};
  write_file_atomically(dir_ + "/" + kDatasetFile, to_json(info));
  return info;
}

}  // namespace lathe
