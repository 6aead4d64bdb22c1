// lathe eval: scores a model on tasks.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/progress_line.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "data/dataset.h"
#include "data/document_reader.h"
#include "data/shards.h"
#include "eval/windows.h"
#include "infer/generate.h"
#include "infer/score.h"

namespace lathe {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::string data;  // folder of benchmark files
  i64 limit = 0;     // documents or windows of a task; 0: all
};

// One row a task. `argument` is what follows the colon.
struct TaskRow {
  std::string_view name, argument;  // argument: what it is called, or "" for none
  Json (*run)(infer::Engine& engine, const EvalOptions& options, const std::string& argument);
};

// The tokens of a file's documents, read as `lathe data prepare` reads them and laid out as its
// shards hold them.
std::vector<int32_t> read_text_tokens(const std::string& path, const Tokenizer& tokenizer) {
  std::vector<int32_t> tokens;
  const auto end_of_text = tokenizer.end_of_text();
  size_t n_documents = 0, n_separators = 0;
  DocumentReader reader({path});
  for (std::string document; reader.next(document); ++n_documents) {
    if (end_of_text) {
      tokens.push_back(*end_of_text);
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

// A prepared folder's tokens are those of the model.
void check_prepared(const std::string& folder, const Tokenizer& tokenizer) {
  const i64 vocab_size = load_dataset_info(folder).vocab_size;
  if (vocab_size == tokenizer.vocab_size()) return;
  fail(
      "[perplexity] {} was prepared with a tokenizer of {} tokens, the model's has {}; prepare it "
      "with the model's",
      folder, vocab_size, tokenizer.vocab_size());
}

Json run_perplexity(infer::Engine& engine, const EvalOptions& options,
                    const std::string& argument) {
  const ModelSpec& spec = engine.model->plan.spec;
  std::error_code ignored;
  std::vector<int32_t> text;
  std::optional<TokenStream> stream;
  if (std::filesystem::is_directory(argument, ignored) || is_shard_file(argument)) {
    stream.emplace(argument, "val");
    stream->check_vocab(spec.vocab_size);
    if (has_dataset_info(argument)) check_prepared(argument, *engine.tokenizer);
  } else {
    text = read_text_tokens(argument, *engine.tokenizer);
  }
  const ReadTokens read = [&](i64 offset, std::span<i64> out) {
    if (stream) return stream->copy(offset, out);
    std::copy_n(text.begin() + offset, out.size(), out.begin());
  };
  const i64 n = stream ? stream->size() : static_cast<i64>(text.size());
  const ScoredPart part = lay_out(n, read, *engine.tokenizer, TokenBytes(*engine.tokenizer),
                                  spec.context_length, options.limit);
  ProgressLine progress;
  const infer::Perplexity p = infer::perplexity(
      *engine.model, engine.state, part, read, options.model.path,
      [&](i64 done, i64 all, double nll) {
        if (progress.is_due()) {
          progress.show(
              format("perplexity: {} of {} windows, {:.4f} nats per token", done, all, nll));
        }
      });
  Json out;
  out["nll_per_token"] = p.nll_per_token;
  out["ppl"] = p.ppl;
  out["bits_per_byte"] = part.n_bytes > 0 ? Json(p.bits_per_byte) : Json(nullptr);
  out["n_tokens"] = p.n_tokens;
  return out;
}

constexpr TaskRow kTasks[] = {
    {"perplexity", "FILE|SHARDS", run_perplexity},
};

// A task as it was asked for: "perplexity:wiki.txt".
struct Asked {
  std::string text, argument;
  const TaskRow* task;
};

Asked parse_task(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  std::vector<std::string> names;
  for (const TaskRow& task : kTasks) {
    names.emplace_back(task.name);
    if (task.name != name) continue;
    const std::string argument = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (!task.argument.empty() && argument.empty()) {
      fail("[eval] task '{}' needs an argument: {}:{}", name, name, task.argument);
    }
    if (task.argument.empty() && colon != std::string::npos) {
      fail("[eval] task '{}' takes no argument, found '{}'", name, text);
    }
    return {text, argument, &task};
  }
  std::string known;
  for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
  fail("[eval] no task '{}'{}; there are: {}", name, did_you_mean(name, names), known);
}

// "perplexity:wiki.txt  ppl 12.3  …", one task a line.
std::string describe(const std::string& name, const Json& result) {
  std::string line = name;
  for (const auto& [key, value] : result.items()) {
    line += "  " + key + " ";
    line += value.is_number_float() ? format("{:.5g}", value.get<double>()) : value.dump();
  }
  return line + "\n";
}

}  // namespace

int cmd_eval(int argc, char** argv) {
  CLI::App app("Scores a model.", "lathe eval");
  EvalOptions options;
  options.model.add_to(app);
  std::vector<std::string> names;
  bool json = false;
  app.add_option("--tasks", names,
                 "tasks, separated by commas: perplexity:FILE (a text, JSON lines or a shard) or "
                 "perplexity:FOLDER (the val split of a prepared one)")
      ->required()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("TASK,…");
  app.add_option("--data", options.data, "folder with the benchmarks' files")->type_name("DIR");
  app.add_option("--limit", options.limit, "only the first N documents or windows of each task")
      ->check(kPositiveCount)
      ->type_name("N");
  app.add_flag("--json", json, "one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  std::vector<Asked> tasks;  // all are checked before the first is run
  for (const std::string& name : names) tasks.push_back(parse_task(name));

  const auto engine = open_engine(options.model);
  Json results = Json::object();
  for (const Asked& asked : tasks) {
    const Json result = asked.task->run(*engine, options, asked.argument);
    if (!json) print(describe(asked.text, result));
    results[asked.text] = result;
  }
  if (json) {
    Json out;
    out["tasks"] = results;
    print(out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  return 0;
}

}  // namespace lathe
