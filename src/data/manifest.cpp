#include "data/manifest.h"

#include <algorithm>
#include <filesystem>

#include "base/checksum.h"
#include "base/error.h"

namespace lathe {
namespace {

void check_mask(const Shard& shard, const ShardInfo& written) {
  const std::string path = mask_file_of(shard.path());
  if (shard.mask().has_value() != written.mask.has_value()) {
    fail("[data] {}: {}, expected {} as dataset.json says; prepare the data again", path,
         shard.mask() ? "a mask" : "no such file", written.mask ? "a mask" : "none");
  }
  if (!shard.mask()) return;
  const MaskView& mask = shard.mask()->view();
  const uint32_t sum = checksum(mask.bits);
  if (sum == written.mask->checksum && mask.n_counted() == written.mask->counted) return;
  fail(
      "[data] {}: {} tokens count, with the checksum {:08x}, expected {} with {:08x} as "
      "dataset.json says; the mask is damaged or changed, prepare the data again",
      path, mask.n_counted(), sum, written.mask->counted, written.mask->checksum);
}

void check_shard(const Shard& shard, uint32_t sum, const ShardInfo& written) {
  if (shard.size() == written.tokens && sum == written.checksum) return check_mask(shard, written);
  fail(
      "[data] {}: {} tokens with the checksum {:08x}, expected {} with {:08x} as dataset.json "
      "says; "
      "the shard is damaged or changed, prepare the data again",
      shard.path(), shard.size(), sum, written.tokens, written.checksum);
}

}  // namespace

std::vector<uint32_t> check_shards(const TokenStream& stream, const SplitInfo& written,
                                   const std::string& dir) {
  std::vector<uint32_t> sums;
  const auto n = static_cast<i64>(written.shards.size());
  for (i64 i = 0; i < stream.n_shards(); ++i) {
    const Shard& shard = stream.shard(i);
    sums.push_back(checksum(shard.token_bytes()));
    if (n == 0) continue;
    const std::string name = std::filesystem::path(shard.path()).filename().string();
    const auto entry = std::find_if(written.shards.begin(), written.shards.end(),
                                    [&](const ShardInfo& info) { return info.file == name; });
    if (entry == written.shards.end()) {
      fail(
          "[data] {}: dataset.json does not know of this shard; remove it, or prepare the data "
          "again",
          shard.path());
    }
    check_shard(shard, sums.back(), *entry);
  }
  if (n > 0 && stream.n_shards() != n) {
    fail("[data] '{}' has {} of the {} shards that dataset.json says; prepare the data again", dir,
         stream.n_shards(), n);
  }
  return sums;
}

void check_tokenizer(const DatasetInfo& info, const std::string& dir, const Tokenizer& tokenizer,
                     const std::string& whose) {
  if (info.vocab_size != tokenizer.vocab_size()) {
    fail(
        "[data] {} was prepared with a tokenizer of {} tokens, {} has {}; prepare it with that one",
        dir, info.vocab_size, whose, tokenizer.vocab_size());
  }
  if (info.fingerprint.empty()) return;
  if (const std::string own = tokenizer.fingerprint(); own != info.fingerprint) {
    fail(
        "[data] {} was prepared with another tokenizer (fingerprint {}) than {} ({}); prepare it "
        "with that one",
        dir, info.fingerprint, whose, own);
  }
}

}  // namespace lathe
