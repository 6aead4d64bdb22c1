#include "eval/tasks.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/suggest.h"
#include "data/document_reader.h"
#include "data/manifest.h"
#include "eval/perplexity.h"

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
    fail("[perplexity] {}: 0 tokens of text, expected at least 1", path);
  }
  return tokens;
}

// The tokens of a prepared folder's validation split, or of a shard: whole, and those of the
// model's tokenizer, as far as the folder says.
TokenStream open_shards(const std::string& path, const TaskInput& input) {
  std::error_code ignored;
  TokenStream stream(path, "val");
  stream.check_vocab(input.vocab_size);
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
  check_tokenizer(info, folder, input.tokenizer, "the model's");
  return stream;
}

// A text, JSON lines, a shard, or a prepared folder's validation split.
Json run_perplexity(Scorer& scorer, const TaskInput& input, const std::string& argument) {
  std::error_code ignored;
  std::vector<int32_t> tokens;
  std::optional<TokenStream> stream;
  std::optional<int32_t> start = input.tokenizer.end_of_text();
  if (std::filesystem::is_directory(argument, ignored) || is_shard_file(argument)) {
    stream.emplace(open_shards(argument, input));
  } else {
    if (input.begin_token >= 0) start = static_cast<int32_t>(input.begin_token);
    tokens = read_text_tokens(argument, input.tokenizer, start);
  }
  ScoredText text;
  text.read = [&](i64 offset, std::span<i64> out) {
    if (stream) return stream->copy(offset, out);
    std::copy_n(tokens.begin() + offset, out.size(), out.begin());
  };
  text.part = lay_out(stream ? stream->size() : static_cast<i64>(tokens.size()), text.read, start,
                      TokenBytes(input.tokenizer), scorer.context_length(), input.limit);
  const Perplexity p =
      perplexity(scorer, std::span(&text, 1), 1, [&](i64 done, i64 all, double nll) {
        input.on_progress(
            format("perplexity: {} of {} windows, {:.4f} nats per token", done, all, nll));
        return true;
      });
  Json out;
  out["nll_per_token"] = p.nll_per_token;
  out["ppl"] = p.ppl;
  out["bits_per_byte"] = text.part.n_bytes > 0 ? Json(p.bits_per_byte) : Json(nullptr);
  out["n_tokens"] = p.n_tokens;
  return out;
}

constexpr Task kTasks[] = {
    {"perplexity", "FILE|SHARDS", run_perplexity},
};

}  // namespace

AskedTask parse_task(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  std::vector<std::string> names;
  for (const Task& task : kTasks) {
    names.emplace_back(task.name);
    if (task.name != name) continue;
    const std::string argument = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (argument.empty()) {
      fail("[eval] task '{}' needs an argument: {}:{}", name, name, task.argument);
    }
    return {text, argument, &task, nullptr};
  }
  for (const Benchmark& benchmark : benchmarks()) {
    names.emplace_back(benchmark.name);
    if (benchmark.name != name) continue;
    if (colon != std::string::npos) {
      fail("[eval] task '{}' takes no argument, found '{}'", name, text);
    }
    return {text, "", nullptr, &benchmark};
  }
  std::string known;
  for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
  fail("[eval] no task '{}'{}; there are: {}", name, did_you_mean(name, names), known);
}

}  // namespace lathe
