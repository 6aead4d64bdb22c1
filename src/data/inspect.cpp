#include "data/inspect.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/manifest.h"

namespace lathe {

namespace {

// What the shards of one split hold; null where there are none.
Json inspect_split(const std::string& dir, const char* split, const SplitInfo* claimed) {
  const std::vector<std::string> files = find_shards(dir, split);
  if (claimed != nullptr && files.empty() && claimed->tokens > 0) {
    fail("[data] '{}' has no shard *{}*.bin, but dataset.json says {} tokens; prepare it again",
         dir, split, claimed->tokens);
  }
  if (files.empty()) return nullptr;
  const TokenStream stream(files);
  if (claimed != nullptr) check_shards(stream, *claimed, dir);
  Json result = {
      {"tokens", stream.size()}, {"shards", stream.n_shards()}, {"max_id", stream.max_token()}};
  if (stream.has_mask()) {
    i64 counted = stream.size();
    for (i64 i = 0; i < stream.n_shards(); ++i) {
      const Shard& shard = stream.shard(i);
      if (shard.mask()) counted -= shard.size() - shard.mask()->view().n_counted();
    }
    result["counted"] = counted;
  }
  if (claimed == nullptr) return result;
  if (claimed->tokens != stream.size()) {
    fail("[data] '{}': the {} shards hold {} tokens, but dataset.json says {}; prepare it again",
         dir, split, stream.size(), claimed->tokens);
  }
  result["documents"] = claimed->documents;
  result["bytes"] = claimed->bytes;
  result["bytes_per_token"] =
      static_cast<double>(claimed->bytes) / static_cast<double>(std::max<i64>(stream.size(), 1));
  return result;
}

void check_ids(const std::string& dir, const Json& split, i64 vocab_size) {
  if (split.is_null() || split["max_id"].get<i64>() < vocab_size) return;
  fail("[data] '{}': token id {}, expected 0 to {}; prepare it again", dir,
       split["max_id"].get<i64>(), vocab_size - 1);
}

}  // namespace

Json inspect_dataset(const std::string& dir) {
  Json root;
  const bool described = has_dataset_info(dir);
  DatasetInfo claimed;
  if (described) {
    claimed = load_dataset_info(dir);
    root["tokenizer"] = claimed.tokenizer;
    root["vocab_size"] = claimed.vocab_size;
    if (!claimed.fingerprint.empty()) root["fingerprint"] = claimed.fingerprint;
  }
  root["train"] = inspect_split(dir, "train", described ? &claimed.train : nullptr);
  root["val"] = inspect_split(dir, "val", described ? &claimed.val : nullptr);
  if (root["train"].is_null() && root["val"].is_null()) {
    fail(
        "[data] '{}' has neither dataset.json nor *train*.bin nor *val*.bin, expected a folder "
        "made by 'lathe data prepare'",
        dir);
  }
  if (described) {
    for (const char* split : {"train", "val"}) check_ids(dir, root[split], claimed.vocab_size);
    const std::string file = dir + "/" + claimed.tokenizer;
    check_tokenizer(claimed, dir, *load_tokenizer(file), file);
  }
  return root;
}

}  // namespace lathe
