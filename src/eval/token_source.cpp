#include "eval/token_source.h"

#include <algorithm>
#include <filesystem>

#include "data/document_reader.h"
#include "data/manifest.h"

namespace lathe {

namespace {

// The tokens of a file's documents, read as `lathe data prepare` reads them and laid out as its
// shards hold them, each behind `start`.
std::vector<int32_t> read_text_tokens(const std::string& path, const Tokenizer& tokenizer,
                                      std::optional<int32_t> start) {
  std::vector<int32_t> tokens;
  size_t n_documents = 0, n_separators = 0;
  DocumentReader reader({path});
  for (std::string document; reader.next(document); ++n_documents) {
    if (start) {
      tokens.push_back(*start);
      ++n_separators;
    } else if (n_documents > 0) {
      require_end_of_text(tokenizer);
    }
    tokenizer.append_ids(document, tokens);
  }
  if (tokens.size() == n_separators) {
    fail("[text] {}: 0 tokens of text, expected at least 1", path);
  }
  return tokens;
}

// The tokens of a prepared folder's validation split, or of a shard: whole, and those of the
// model's tokenizer, as far as the folder says.
TokenStream open_shards(const std::string& path, const Tokenizer& tokenizer, i64 vocab_size) {
  std::error_code ignored;
  TokenStream stream(path, "val");
  stream.check_vocab(vocab_size);
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  const std::string beside = std::filesystem::path(path).parent_path().string();
  const std::string folder = is_folder ? path : beside.empty() ? "." : beside;
  if (!has_dataset_info(folder)) return stream;
  const DatasetInfo info = load_dataset_info(folder);
  if (is_folder) {
    check_shards(stream, info.val, folder);
  } else {
    const std::string name = std::filesystem::path(path).filename().string();
    SplitInfo one;
    for (const SplitInfo* split : {&info.train, &info.val}) {
      for (const ShardInfo& shard : split->shards) {
        if (shard.file == name) one.shards.push_back(shard);
      }
    }
    if (one.shards.empty()) return stream;  // not of this folder's making
    check_shards(stream, one, folder);
  }
  check_tokenizer(info, folder, tokenizer, "the model's");
  return stream;
}

}  // namespace

TokenSource open_token_source(const std::string& path, const Tokenizer& tokenizer, i64 vocab_size,
                              i64 begin_token) {
  std::error_code ignored;
  TokenSource source;
  source.start = tokenizer.end_of_text();
  if (std::filesystem::is_directory(path, ignored) || is_shard_file(path)) {
    const auto stream =
        std::make_shared<const TokenStream>(open_shards(path, tokenizer, vocab_size));
    source.size = stream->size();
    source.read = [stream](i64 offset, std::span<i64> out) { stream->copy(offset, out); };
    return source;
  }
  if (begin_token >= 0) source.start = static_cast<int32_t>(begin_token);
  const auto tokens =
      std::make_shared<const std::vector<int32_t>>(read_text_tokens(path, tokenizer, source.start));
  source.size = static_cast<i64>(tokens->size());
  source.read = [tokens](i64 offset, std::span<i64> out) {
    std::copy_n(tokens->begin() + offset, out.size(), out.begin());
  };
  return source;
}

}  // namespace lathe
