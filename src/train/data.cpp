#include "train/data.h"

#include <algorithm>
#include <filesystem>

#include "base/checksum.h"
#include "data/manifest.h"
#include "train/validation.h"

namespace lathe::train {

namespace {

// The number of training tokens, and sums over all of them and over the tokenizer: another corpus,
// or the same one encoded or ordered differently, has another fingerprint, and the same tokens in
// other shards or another folder have the same.
std::string fingerprint_of(const TokenStream& tokens, const std::vector<uint32_t>& sums,
                           const std::string& tokenizer_file) {
  uint32_t sum = 0;
  for (i64 i = 0; i < tokens.n_shards(); ++i) {
    sum = joined_checksum(sum, sums[static_cast<size_t>(i)], tokens.shard(i).token_bytes().size());
  }
  return format("{}x{:08x}-{:08x}", tokens.size(), sum, file_checksum(tokenizer_file));
}

// Of which tokens count, whatever shards they lie in; "" where all do.
std::string mask_fingerprint(const TokenStream& tokens) {
  if (!tokens.has_mask()) return "";
  constexpr i64 kBlock = 65536;
  uint32_t sum = 0;
  std::vector<uint8_t> counted;
  for (i64 done = 0; done < tokens.size(); done += std::ssize(counted)) {
    counted.resize(static_cast<size_t>(std::min(kBlock, tokens.size() - done)));
    tokens.copy_counted(done, counted);
    sum = checksum(std::as_bytes(std::span(counted)), sum);
  }
  return format("-{:08x}", sum);
}

// Each split's share of eval_tokens.
void lay_out_validation(const RunSpec& run,
                        const std::vector<std::shared_ptr<const TokenStream>>& streams,
                        RunData& data) {
  if (streams.empty()) return;
  const TokenBytes bytes(*data.tokenizer);
  const i64 budget = run.eval_tokens / static_cast<i64>(streams.size());
  for (const auto& stream : streams) {
    auto text =
        lay_out_split(stream, data.tokenizer->end_of_text(), bytes, run.sequence_length(), budget);
    if (text) data.validation.push_back(std::move(*text));
  }
}

}  // namespace

RunData open_data(const RunSpec& run) {
  RunData data;
  check_data(run);
  std::vector<BatchSource::Source> sources;
  std::vector<std::shared_ptr<const TokenStream>> validation;
  std::string first_tokenizer;
  for (size_t i = 0; i < run.data.path.size(); ++i) {
    const std::string& folder = run.data.path[i];
    const DatasetInfo info = load_dataset_info(folder);
    const std::string tokenizer = folder + "/" + info.tokenizer;
    if (i == 0) {
      data.tokenizer = load_tokenizer(tokenizer);
      first_tokenizer = tokenizer;
    } else if (file_checksum(tokenizer) != file_checksum(first_tokenizer)) {
      fail("[run] {} and {} were prepared with different tokenizers", folder, run.data.path[0]);
    }
    check_tokenizer(info, folder, *data.tokenizer, first_tokenizer);
    auto tokens = std::make_shared<TokenStream>(folder, "train");
    if (i > 0) data.fingerprint += "+";
    data.fingerprint +=
        fingerprint_of(*tokens, check_shards(*tokens, info.train, folder), tokenizer) +
        mask_fingerprint(*tokens);
    std::optional<double> weight;
    if (!run.data.weights.empty()) weight = run.data.weights[i];
    sources.push_back({std::move(tokens), weight, folder});
    if (info.val.tokens > 1) {
      validation.push_back(std::make_shared<TokenStream>(folder, "val"));
      check_shards(*validation.back(), info.val, folder);
    }
  }
  lay_out_validation(run, validation, data);
  data.train = std::make_unique<BatchSource>(std::move(sources), run.sequence_length(),
                                             run.model.vocab_size, static_cast<uint64_t>(run.seed));
  return data;
}

void check_same_tokenizer(const ModelDirectory& model, const char* key, const Tokenizer& data) {
  std::error_code ignored;
  if (model.tokenizer != kByteTokenizer && !std::filesystem::exists(model.tokenizer, ignored)) {
    return;
  }
  if (load_tokenizer(model.tokenizer)->fingerprint() == data.fingerprint()) return;
  fail(
      "[run] {} {} has another tokenizer than the folders of data.path were prepared with; prepare "
      "them with {}",
      key, model.path, model.tokenizer);
}

void adopt_text_of(const ModelDirectory& model, RunData& data) {
  data.chat_template = model.chat_template;
  check_same_tokenizer(model, "model.init_from", *data.tokenizer);
}

}  // namespace lathe::train
