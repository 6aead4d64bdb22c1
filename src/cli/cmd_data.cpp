// lathe data: turns text into token shards, and inspects them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/cpu_limits.h"
#include "base/error.h"
#include "base/ordered_tasks.h"
#include "base/progress_line.h"
#include "base/staged_folder.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "data/dataset.h"
#include "data/document_reader.h"
#include "data/input_files.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

// Large enough that starting a thread for it costs nothing, small enough to keep few in memory.
constexpr size_t kBatchBytes = size_t{1} << 20;

struct PrepareOptions {
  std::string tokenizer;
  std::string out;
  std::vector<std::string> inputs;
  std::vector<std::string> extensions;
  std::string split_on;
  double val_fraction = 0.01;
  i64 shard_tokens = kDefaultShardTokens;
  i64 skip_bad = 0;
  int threads = 0;
  bool force = false;
};

struct Document {
  std::vector<int32_t> ids;
  i64 n_bytes;
};

// \n, \t, \r and \\ as in a C string.
std::string unescape(const std::string& text) {
  constexpr std::string_view kNames = "ntr\\", kValues = "\n\t\r\\";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t which =
        text[i] == '\\' && i + 1 < text.size() ? kNames.find(text[i + 1]) : kNames.npos;
    out += which == kNames.npos ? text[i] : kValues[which];
    if (which != kNames.npos) ++i;
  }
  return out;
}

void show_progress(ProgressLine& progress, const DocumentReader& reader, i64 n_documents,
                   i64 n_tokens, i64 n_bytes) {
  if (!progress.is_due()) return;
  const double megabytes = static_cast<double>(n_bytes) / 1e6;
  progress.show(format("file {} of {}: {} documents, {:.1f} M tokens, {:.1f} MB, {:.1f} MB/s",
                       reader.n_files_done(), reader.n_files(), n_documents,
                       static_cast<double>(n_tokens) / 1e6, megabytes,
                       megabytes / progress.seconds()));
}

// Reads on this thread, encodes on others, writes on this one in the order of reading: the result
// does not depend on the number of threads.
DatasetInfo encode_corpus(const PrepareOptions& options, const Tokenizer& tokenizer,
                          DocumentReader& reader, const std::string& dir, ProgressLine& progress) {
  DatasetWriter writer(dir, tokenizer, options.val_fraction, options.shard_tokens);
  i64 n_documents = 0, n_tokens = 0, n_bytes = 0;
  using Encoded = std::vector<Document>;
  OrderedTasks<Encoded> tasks(options.threads > 0 ? options.threads : available_threads(),
                              [&](Encoded documents) {
                                for (Document& document : documents) {
                                  ++n_documents;
                                  n_tokens += static_cast<i64>(document.ids.size()) + 1;
                                  n_bytes += document.n_bytes;
                                  writer.add_document(std::move(document.ids), document.n_bytes);
                                }
                                show_progress(progress, reader, n_documents, n_tokens, n_bytes);
                              });
  std::string text;
  for (bool more = true; more;) {
    std::vector<std::string> batch;
    size_t batch_bytes = 0;
    while (batch_bytes < kBatchBytes && (more = reader.next(text))) {
      batch_bytes += text.size();
      batch.push_back(std::move(text));
    }
    tasks.add([&tokenizer, batch = std::move(batch)] {
      Encoded documents;
      for (const std::string& document : batch) {
        documents.push_back({tokenizer.encode(document), static_cast<i64>(document.size())});
      }
      return documents;
    });
  }
  tasks.finish();
  return writer.finish();
}

void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

int prepare(const PrepareOptions& options) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  InterruptGuard interrupts("[data] interrupted; nothing was written");
  const auto folder = interrupts.undisturbed([&] {
    auto made = std::make_unique<StagedFolder>(options.out, kDatasetFile, options.force);
    interrupts.set_clean_up([path = made->path()] { StagedFolder::remove(path); });
    return made;
  });
  DocumentReader reader(list_input_files(options.inputs, options.extensions,
                                         {folder->target(), folder->path(), options.tokenizer}),
                        unescape(options.split_on), options.skip_bad);
  ProgressLine progress;
  const DatasetInfo info = encode_corpus(options, *tokenizer, reader, folder->path(), progress);
  interrupts.undisturbed([&] {
    folder->commit();
    interrupts.finish();
  });
  progress.clear();
  if (reader.n_bad() > 0) {
    say(format("skipped {} bad document{}, the first: {}", reader.n_bad(),
               reader.n_bad() == 1 ? "" : "s", one_line(reader.first_bad())));
  }
  const double n_bytes = static_cast<double>(info.train.bytes + info.val.bytes);
  const i64 n_tokens = info.train.tokens + info.val.tokens;
  say(format(
      "{}: {} training and {} validation tokens, {:.3f} bytes per token, {:.1f} MB in {:.1f} s",
      options.out, info.train.tokens, info.val.tokens, n_bytes / static_cast<double>(n_tokens),
      n_bytes / 1e6, progress.seconds()));
  return 0;
}

// What the shards of one split hold; null where there are none.
nlohmann::ordered_json inspect_split(const std::string& dir, const char* split,
                                     const SplitInfo* claimed) {
  const std::vector<std::string> files = find_shards(dir, split);
  if (claimed != nullptr && files.empty() && claimed->tokens > 0) {
    fail("[data] '{}' has no shard *{}*.bin, but dataset.json says {} tokens; prepare it again",
         dir, split, claimed->tokens);
  }
  if (files.empty()) return nullptr;
  const TokenStream stream(files);
  nlohmann::ordered_json result = {
      {"tokens", stream.size()}, {"shards", stream.n_shards()}, {"max_id", stream.max_token()}};
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

void check_ids(const std::string& dir, const nlohmann::ordered_json& split, i64 vocab_size) {
  if (split.is_null() || split["max_id"].get<i64>() < vocab_size) return;
  fail("[data] '{}': token id {}, expected 0 to {}; prepare it again", dir,
       split["max_id"].get<i64>(), vocab_size - 1);
}

int info(const std::string& dir, bool json) {
  nlohmann::ordered_json root;
  const bool described = has_dataset_info(dir);
  DatasetInfo claimed;
  if (described) {
    claimed = load_dataset_info(dir);
    root["tokenizer"] = claimed.tokenizer;
    root["vocab_size"] = claimed.vocab_size;
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
  }
  std::string out;
  if (json) {
    out = root.dump() + "\n";
  } else {
    if (described)
      out += format("tokenizer {}, vocabulary {}\n", claimed.tokenizer, claimed.vocab_size);
    for (const char* split : {"train", "val"}) {
      if (root[split].is_null()) continue;
      out += split;
      for (const auto& [key, value] : root[split].items()) {
        const std::string number =
            value.is_number_float() ? format("{:.3f}", value.get<double>()) : value.dump();
        out += format("{}{} {}", &value == &*root[split].begin() ? ": " : ", ", key, number);
      }
      out += "\n";
    }
  }
  print(out);
  return 0;
}

}  // namespace

int cmd_data(int argc, char** argv) {
  CLI::App app("Turns text into token shards, and inspects them.", "lathe data");
  app.require_subcommand(1);
  PrepareOptions options;
  CLI::App* prepare_app = app.add_subcommand(
      "prepare", "encode a corpus into a folder of train and val shards with its tokenizer");
  prepare_app
      ->add_option("--tokenizer", options.tokenizer,
                   "'bytes', a tokenizer.json, vocab.bpe, merges.txt or *.model file, or a folder")
      ->required()
      ->type_name("TOK");
  prepare_app->add_option("--out", options.out, "the folder to make")->required()->type_name("DIR");
  prepare_app
      ->add_option("input", options.inputs,
                   "text files (one document each, see --split-on), JSON lines (\"text\" of each "
                   "line; known by .jsonl or by the first line), these in gzip or zstd, or folders "
                   "of them")
      ->required()
      ->type_name("INPUT");
  prepare_app
      ->add_option("--val-fraction", options.val_fraction,
                   "share of the documents for validation, chosen by their position (0: none)")
      ->check(CLI::Range(0.0, 0.999))
      ->type_name("F")
      ->capture_default_str();
  prepare_app
      ->add_option("--split-on", options.split_on,
                   "text between two documents of one text file, \\n for a line end; files are "
                   "held in memory whole without it")
      ->type_name("TEXT");
  prepare_app
      ->add_option("--extension", options.extensions,
                   "of folders only files with this ending (.py); may be repeated")
      ->type_name("EXT")
      ->allow_extra_args(false);
  prepare_app
      ->add_option("--skip-bad", options.skip_bad,
                   "go on past as many lines that are not JSON with text (default: none)")
      ->check(CLI::Range(i64{0}, std::numeric_limits<i64>::max()))
      ->type_name("N");
  prepare_app->add_option("--shard-tokens", options.shard_tokens, "most tokens in a shard")
      ->check(WholeNumbers(1, 2'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  prepare_app->add_option("--threads", options.threads, "threads that encode (default: all)")
      ->check(kThreads)
      ->type_name("N");
  prepare_app->add_flag("--force", options.force, "replace a folder prepared before");

  std::string dir;
  bool json = false;
  CLI::App* info_app = app.add_subcommand("info", "what a prepared folder holds; reads all of it");
  info_app->add_option("dir", dir, "the folder")->required()->type_name("DIR");
  info_app->add_flag("--json", json, "for programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  return prepare_app->parsed() ? prepare(options) : info(dir, json);
}

}  // namespace lathe
