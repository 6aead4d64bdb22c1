// lathe tokenizer: trains a tokenizer, encodes and decodes text.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/cpu_limits.h"
#include "base/error.h"
#include "base/progress_line.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/interrupts.h"
#include "cli/output.h"
#include "data/input_files.h"
#include "data/prepare.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

struct TrainOptions {
  i64 vocab_size = 0;
  std::string out;
  std::vector<std::string> inputs;
  std::vector<std::string> extensions;
  DocumentRules rules;
  int threads = 0;
};

int train(const TrainOptions& options) {
  std::error_code ignored;
  const std::string path = std::filesystem::is_directory(options.out, ignored)
                               ? options.out + "/tokenizer.json"
                               : options.out;
  if (!path.ends_with(".json")) {
    fail("[tokenizer train] --out '{}', expected a folder or a name ending in .json", path);
  }
  InterruptGuard interrupts("[tokenizer train] interrupted; nothing was written");
  AtomicFile file = interrupts.undisturbed([&] {
    AtomicFile made(path);  // opened first: a wrong path shows before the work
    interrupts.set_clean_up([temporary = made.temporary_path()] { ::unlink(temporary.c_str()); });
    return made;
  });
  ProgressLine progress;
  // What is being written is no input.
  DocumentReader reader(
      list_input_files(options.inputs, options.extensions, {file.path(), file.temporary_path()}),
      options.rules);
  const WordCounts counts = count_words(
      reader, options.threads > 0 ? options.threads : available_threads(),
      [&](const WordCounts& total) {
        if (!progress.is_due()) return;
        progress.show(format("counting words: {:.1f} MB, {} different",
                             static_cast<double>(total.n_bytes()) / 1e6, total.words().size()));
      });
  if (counts.n_bytes() == 0) fail("[tokenizer train] the inputs hold no text, expected some");
  const BpeTraining trained = train_bpe(counts, options.vocab_size, [&](i64 n) {
    if (progress.is_due()) progress.show(format("learning merges: {} tokens", n));
  });
  file.write(to_tokenizer_json(trained.definition));
  interrupts.undisturbed([&] {
    file.commit();
    interrupts.finish();
  });
  progress.clear();
  const auto vocab_size = static_cast<i64>(trained.definition.tokens.size());
  if (vocab_size < options.vocab_size) {
    std::fputs(format("stopped at {} tokens, {} were asked for: no pair is left that occurs twice; "
                      "give more text for a larger vocabulary\n",
                      vocab_size, options.vocab_size)
                   .c_str(),
               stderr);
  }
  std::fputs(format("{}: {} tokens, {:.3f} bytes per token on {:.1f} MB of text, {:.1f} s\n", path,
                    vocab_size,
                    static_cast<double>(counts.n_bytes()) / static_cast<double>(trained.n_tokens),
                    static_cast<double>(counts.n_bytes()) / 1e6, progress.seconds())
                 .c_str(),
             stderr);
  return 0;
}

int encode(const Tokenizer& tokenizer) {
  StandardInputLines lines;
  std::string line, out;
  while (lines.next(line)) {
    out.clear();
    for (const int32_t id : tokenizer.encode(line)) {
      if (!out.empty()) out += ' ';
      out += std::to_string(id);
    }
    out += '\n';
    write_output(out);
  }
  flush_output();
  return 0;
}

std::vector<int32_t> parse_ids(std::string_view line, i64 line_number) {
  std::vector<int32_t> ids;
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (line.empty()) return ids;
    const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
    int32_t id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size()) {
      fail("[tokenizer decode] line {}: '{}' is no token id, expected numbers separated by spaces",
           line_number, word.substr(0, 40));
    }
    ids.push_back(id);
    line.remove_prefix(word.size());
  }
}

int decode(const Tokenizer& tokenizer) {
  StandardInputLines lines;
  std::string line;
  for (i64 n = 1; lines.next(line); ++n) {
    write_output(tokenizer.decode(parse_ids(line, n)) + '\n');
  }
  flush_output();
  return 0;
}

}  // namespace

int cmd_tokenizer(int argc, char** argv) {
  CLI::App app("Trains a byte-level BPE tokenizer, encodes and decodes text.", "lathe tokenizer");
  app.require_subcommand(1);
  const char* what_tokenizer =
      "'bytes', a tokenizer.json, vocab.bpe, merges.txt or *.model file, or a folder with one";

  TrainOptions options;
  CLI::App* train_app = app.add_subcommand(
      "train", "learn a byte-level BPE vocabulary and write it as a Hugging Face tokenizer.json");
  train_app->add_option("--vocab-size", options.vocab_size, "tokens in all, at least 257")
      ->check(kWholeNumber)
      ->required()
      ->type_name("N");
  train_app->add_option("--out", options.out, "the file to write, NAME.json, or a folder")
      ->required()
      ->type_name("FILE");
  train_app
      ->add_option(
          "text", options.inputs,
          "text files, JSON lines (\"text\" of each line), these in gzip or zstd, Parquet, or "
          "folders")
      ->required()
      ->type_name("TEXT");
  train_app
      ->add_option("--text-key", options.rules.keys.text,
                   "what the text is under: a key of JSON lines, a column of Parquet")
      ->type_name("KEY")
      ->capture_default_str();
  train_app
      ->add_option("--extension", options.extensions,
                   "of folders only files with this ending (.py); may be repeated")
      ->type_name("EXT")
      ->allow_extra_args(false);
  train_app->add_option("--threads", options.threads, "threads that count words (default: all)")
      ->check(kThreads)
      ->type_name("N");

  std::string tokenizer;
  CLI::App* encode_app =
      app.add_subcommand("encode", "text on stdin, one document a line → ids, one line a document");
  CLI::App* decode_app = app.add_subcommand("decode", "ids on stdin → text, one line a document");
  for (CLI::App* sub : {encode_app, decode_app}) {
    sub->add_option("--tokenizer", tokenizer, what_tokenizer)->required()->type_name("TOK");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  if (train_app->parsed()) return train(options);
  return encode_app->parsed() ? encode(*load_tokenizer(tokenizer))
                              : decode(*load_tokenizer(tokenizer));
}

}  // namespace lathe
