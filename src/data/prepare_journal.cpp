#include "data/prepare_journal.h"

#include <sys/stat.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/content_hash.h"
#include "base/error.h"
#include "data/dataset_fields.h"

namespace lathe {
namespace {

const Json& read_object(const Json& parent, const char* key, const std::string& where) {
  const auto found = parent.find(key);
  if (found == parent.end() || !found->is_object()) {
    fail("[data] {}: '{}' is missing, expected an object", where, key);
  }
  return *found;
}

std::string read_text(const Json& parent, const char* key, const std::string& where) {
  const auto found = parent.find(key);
  if (found == parent.end() || !found->is_string()) {
    fail("[data] {}: '{}' is missing, expected a text", where, key);
  }
  return found->get<std::string>();
}

uint64_t read_hash(const Json& parent, const char* key, const std::string& where) {
  const std::string text = read_text(parent, key, where);
  uint64_t hash = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    fail("[data] {}: '{}' is '{}', expected 16 hexadecimal digits", where, key, text);
  }
  return hash;
}

ReadPlace read_place(const Json& json, const std::string& where) {
  check_keys(json, {"file", "offset", "line", "bad", "first_bad"}, where);
  return {static_cast<size_t>(read_count(json, "file", where)),
          {read_count(json, "offset", where), read_count(json, "line", where)},
          read_count(json, "bad", where),
          read_text(json, "first_bad", where)};
}

InputLog::Progress read_inputs(const Json& json, const std::string& where) {
  check_keys(json, {"size", "file", "documents", "tokens", "bytes", "hash"}, where);
  return {static_cast<uint64_t>(read_count(json, "size", where)),
          static_cast<size_t>(read_count(json, "file", where)),
          read_count(json, "documents", where),
          read_count(json, "tokens", where),
          read_count(json, "bytes", where),
          read_hash(json, "hash", where)};
}

SplitProgress read_split(const Json& json, const std::string& where) {
  check_keys(json,
             {"tokens", "bytes", "documents", "in_shard", "checksum", "mask_checksum", "shards"},
             where);
  SplitProgress split;
  split.sums = {read_count(json, "tokens", where), read_count(json, "bytes", where),
                read_count(json, "documents", where)};
  const auto shards = json.find("shards");
  if (shards == json.end() || !shards->is_array()) {
    fail("[data] {}: 'shards' is missing, expected a list", where);
  }
  split.shards = {read_shard_list(*shards, where), read_count(json, "in_shard", where),
                  read_checksum(json, "checksum", where)};
  if (json.contains("mask_checksum")) {
    split.shards.mask_checksum = read_checksum(json, "mask_checksum", where);
  }
  i64 n_tokens = split.shards.in_shard;
  for (const ShardInfo& shard : split.shards.shards) {
    if (shard.tokens > split.sums.tokens) n_tokens = -1;
    if (n_tokens >= 0) n_tokens += shard.tokens;
  }
  if (n_tokens != split.sums.tokens) {
    fail("[data] {}: the shards have not the {} 'tokens'", where, split.sums.tokens);
  }
  return split;
}

Json split_json(const SplitProgress& split) {
  Json json = {{"tokens", split.sums.tokens},       {"bytes", split.sums.bytes},
               {"documents", split.sums.documents}, {"in_shard", split.shards.in_shard},
               {"checksum", split.shards.checksum}, {"shards", shards_json(split.shards.shards)}};
  if (split.shards.mask_checksum) json["mask_checksum"] = *split.shards.mask_checksum;
  return json;
}

}  // namespace

PrepareJournal parse_prepare_journal(std::string_view text, const std::string& where) {
  const Json root = parse_json(text, "[data] " + where);
  if (!root.is_object()) fail("[data] {}: not a JSON object; is the file whole?", where);
  check_keys(root, {"command", "place", "inputs", "train", "val"}, where);
  PrepareJournal journal;
  journal.command = read_object(root, "command", where);
  journal.place = read_place(read_object(root, "place", where), where);
  journal.inputs = read_inputs(read_object(root, "inputs", where), where);
  if (journal.inputs.file > journal.place.file) {
    fail("[data] {}: 'file' of 'inputs' comes behind that of 'place'", where);
  }
  journal.data = {read_split(read_object(root, "train", where), where),
                  read_split(read_object(root, "val", where), where)};
  return journal;
}

std::string to_json(const PrepareJournal& journal) {
  const ReadPlace& place = journal.place;
  const InputLog::Progress& inputs = journal.inputs;
  const Json root = {{"command", journal.command},
                     {"place",
                      {{"file", place.file},
                       {"offset", place.in_file.offset},
                       {"line", place.in_file.line},
                       {"bad", place.n_bad},
                       {"first_bad", one_line(place.first_bad)}}},
                     {"inputs",
                      {{"size", inputs.size},
                       {"file", inputs.file},
                       {"documents", inputs.documents},
                       {"tokens", inputs.tokens},
                       {"bytes", inputs.bytes},
                       {"hash", hash_text(inputs.hash)}}},
                     {"train", split_json(journal.data.train)},
                     {"val", split_json(journal.data.val)}};
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

PrepareJournal load_prepare_journal(const std::string& dir, const Json& command) {
  const std::string path = dir + "/" + kJournalFile;
  PrepareJournal journal = parse_prepare_journal(read_text_file(path), path);
  for (const auto& [key, value] : command.items()) {
    const auto found = journal.command.find(key);
    if (found != journal.command.end() && *found == value) continue;
    fail(
        "[data] {}: it was begun with another {} ({}, now {}); give what it was begun with, or "
        "begin "
        "anew without --resume",
        path, key, found == journal.command.end() ? "unknown" : found->dump(-1, ' ', true),
        value.dump(-1, ' ', true));
  }
  return journal;
}

uint64_t identity_of(const std::vector<std::string>& files) {
  uint64_t hash = 0;
  for (const std::string& file : files) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) fail_errno(format("[data] cannot read '{}'", file));
    hash = content_hash(file, hash);
    for (const i64 number :
         {i64{info.st_size}, i64{info.st_mtim.tv_sec}, i64{info.st_mtim.tv_nsec}}) {
      hash = content_hash(static_cast<uint64_t>(number), hash);
    }
  }
  return hash;
}

}  // namespace lathe
