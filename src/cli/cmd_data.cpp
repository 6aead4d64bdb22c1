// lathe data: turns text into token shards, and inspects them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/content_hash.h"
#include "base/cpu_limits.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/progress_line.h"
#include "base/staged_folder.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "data/input_files.h"
#include "data/inspect.h"
#include "data/prepare.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

struct PrepareOptions {
  std::string tokenizer;
  std::string out;
  std::vector<std::string> inputs;
  std::vector<std::string> extensions;
  DocumentRules rules;
  double val_fraction = 0.01;
  i64 split_seed = 0;
  i64 shard_tokens = kDefaultShardTokens;
  i64 skip_bad = 0;
  int threads = 0;
  bool force = false;
  bool resume = false;
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

void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

std::string progress_text(const DocumentReader& reader, const PrepareProgress& done,
                          double seconds) {
  const double megabytes = static_cast<double>(done.n_bytes) / 1e6;
  const double rate = static_cast<double>(done.n_bytes - done.resumed_bytes) / 1e6 / seconds;
  std::string text = format("file {} of {}: {} documents, {:.1f} M tokens, {:.1f} MB, {:.1f} MB/s",
                            reader.n_files_done(), reader.n_files(), done.n_documents,
                            static_cast<double>(done.n_tokens) / 1e6, megabytes, rate);
  // By the bytes on the disk, since nobody knows what packed ones hold.
  const auto all = reader.bytes_in_all();
  const double taken = static_cast<double>(reader.bytes_taken());
  if (all && taken > 0 && rate > 0) {
    // Packed as what has been read so far.
    const double left = std::max(0.0, static_cast<double>(*all) - taken) * megabytes / taken;
    text += format(", {} left", duration_text(left / rate));
  }
  return text;
}

// All that the shards depend on.
Json command_of(const PrepareOptions& options, const Tokenizer& tokenizer,
                const std::vector<std::string>& files) {
  return {{"tokenizer", tokenizer.fingerprint()},
          {"input files", hash_text(identity_of(files))},
          {"--val-fraction", options.val_fraction},
          {"--split-seed", options.split_seed},
          {"--shard-tokens", options.shard_tokens},
          {"--split-on", options.rules.split_on},
          {"--text-key", options.rules.keys.text},
          {"--prompt-key", options.rules.keys.prompt},
          {"--completion-key", options.rules.keys.completion},
          {"--max-document-bytes", options.rules.most_bytes}};
}

int prepare(const PrepareOptions& options) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  InterruptGuard interrupts(options.resume ? "[data] interrupted; the same command goes on"
                                           : "[data] interrupted; nothing was written");
  const auto folder = interrupts.undisturbed([&] {
    auto made = std::make_unique<StagedFolder>(options.out, kDatasetFile, options.force,
                                               kJournalFile, options.resume);
    interrupts.set_clean_up([path = made->path(), keep = options.resume] {
      if (!keep || !std::filesystem::exists(path + "/" + kJournalFile)) StagedFolder::remove(path);
    });
    return made;
  });
  DocumentRules rules = options.rules;
  rules.split_on = unescape(rules.split_on);
  DocumentReader reader(list_input_files(options.inputs, options.extensions,
                                         {folder->target(), folder->path(), options.tokenizer}),
                        rules, options.skip_bad);
  ProgressLine progress;
  bool said = !folder->resumed();
  const EncodeOptions encoding{
      .val_fraction = options.val_fraction,
      .split_seed = static_cast<uint64_t>(options.split_seed),
      .shard_tokens = options.shard_tokens,
      .n_threads = options.threads > 0 ? options.threads : available_threads(),
      .command = command_of(options, *tokenizer, reader.files()),
      .resume = folder->resumed()};
  const DatasetInfo info =
      encode_corpus(reader, *tokenizer, folder->path(), encoding, [&](const PrepareProgress& done) {
        if (!std::exchange(said, true)) {
          say(format("{}: going on behind {:.1f} MB that were done before", options.out,
                     static_cast<double>(done.resumed_bytes) / 1e6));
        }
        if (progress.is_due()) progress.show(progress_text(reader, done, progress.seconds()));
      });
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

int info(const std::string& dir, bool json) {
  const Json root = inspect_dataset(dir);
  std::string out;
  if (json) {
    out = root.dump() + "\n";
  } else {
    if (root.contains("tokenizer")) {
      out += format("tokenizer {}, vocabulary {}\n", root["tokenizer"].get<std::string>(),
                    root["vocab_size"].get<i64>());
    }
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

// Adds the subcommand; the options must outlive the app's parse.
CLI::App* add_prepare(CLI::App& app, PrepareOptions& options) {
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
                   "line, see --text-key, or \"prompt\" and \"completion\"; known by .jsonl or by "
                   "the first line), these in gzip or "
                   "zstd, Parquet (its column \"text\"), or folders of them")
      ->required()
      ->type_name("INPUT");
  prepare_app
      ->add_option(
          "--val-fraction", options.val_fraction,
          "share of the documents for validation, chosen by what they hold: equal ones fall on "
          "one side, in whatever file and place (0: none)")
      ->check(CLI::Range(0.0, 0.999))
      ->type_name("F")
      ->capture_default_str();
  prepare_app
      ->add_option("--split-seed", options.split_seed, "another seed chooses other documents")
      ->check(WholeNumbers(0, INT64_MAX))
      ->type_name("N")
      ->capture_default_str();
  prepare_app
      ->add_option("--split-on", options.rules.split_on,
                   "text between two documents of one text file, \\n for a line end; files are "
                   "held in memory whole without it")
      ->type_name("TEXT");
  prepare_app
      ->add_option("--text-key", options.rules.keys.text,
                   "what the text is under: a key of JSON lines, a column of Parquet (doc.text: a "
                   "field of a struct)")
      ->type_name("KEY")
      ->capture_default_str();
  prepare_app
      ->add_option("--prompt-key", options.rules.keys.prompt,
                   "of JSON lines without a text: what a prompt is under; only what follows it is "
                   "learnt")
      ->type_name("KEY")
      ->capture_default_str();
  prepare_app
      ->add_option("--completion-key", options.rules.keys.completion,
                   "what follows the prompt is under this")
      ->type_name("KEY")
      ->capture_default_str();
  prepare_app
      ->add_option("--extension", options.extensions,
                   "of folders only files with this ending (.py); may be repeated")
      ->type_name("EXT")
      ->allow_extra_args(false);
  prepare_app
      ->add_option(
          "--skip-bad", options.skip_bad,
          "go on past as many bad documents: lines that are not JSON with text, nulls, NUL "
          "bytes, documents too long (default: none)")
      ->check(CLI::Range(i64{0}, std::numeric_limits<i64>::max()))
      ->type_name("N");
  prepare_app
      ->add_option("--max-document-bytes", options.rules.most_bytes,
                   "longer ones are bad documents, and are not held in memory")
      ->check(WholeNumbers(1, i64{1} << 40))
      ->type_name("N")
      ->capture_default_str();
  prepare_app->add_option("--shard-tokens", options.shard_tokens, "most tokens in a shard")
      ->check(WholeNumbers(1, 2'000'000'000))
      ->type_name("N")
      ->capture_default_str();
  prepare_app->add_option("--threads", options.threads, "threads that encode (default: all)")
      ->check(kThreads)
      ->type_name("N");
  prepare_app->add_flag("--resume", options.resume,
                        "go on with what the same command, killed, has left; what it interrupts "
                        "itself stays for the next");
  prepare_app->add_flag("--force", options.force, "replace a folder prepared before");
  return prepare_app;
}

}  // namespace

int cmd_data(int argc, char** argv) {
  CLI::App app("Turns text into token shards, and inspects them.", "lathe data");
  app.require_subcommand(1);
  PrepareOptions options;
  CLI::App* prepare_app = add_prepare(app, options);
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
