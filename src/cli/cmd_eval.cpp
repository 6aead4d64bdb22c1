// lathe eval: scores a model on tasks.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/model_session.h"
#include "cli/progress_line.h"
#include "core/dataset.h"
#include "core/document_reader.h"
#include "core/error.h"
#include "core/shards.h"
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
  Json (*run)(ModelSession& session, const EvalOptions& options, const std::string& argument);
};

// Appends the tokens of a file's documents, as `lathe data prepare` reads them, with end of text
// between two; returns their bytes.
i64 read_documents(const Tokenizer& tokenizer, const std::string& path,
                   std::vector<int32_t>& tokens) {
  DocumentReader reader({path});
  i64 n_bytes = 0;
  for (std::string document; reader.next(document);) {
    if (n_bytes > 0) tokens.push_back(require_end_of_text(tokenizer));
    tokenizer.append_ids(document, tokens);
    n_bytes += static_cast<i64>(document.size());
  }
  return n_bytes;
}

Json run_perplexity(ModelSession& session, const EvalOptions& options,
                    const std::string& argument) {
  std::error_code ignored;
  std::vector<int32_t> text;
  std::optional<TokenStream> stream;
  i64 n = 0, n_bytes = 0;
  if (std::filesystem::is_directory(argument, ignored) || is_shard_file(argument)) {
    stream.emplace(argument, "val");
    stream->check_vocab(session.model->plan.spec.vocab_size);
    n = stream->size();
    if (has_dataset_info(argument)) n_bytes = load_dataset_info(argument).val.bytes;
  } else {
    n_bytes = read_documents(*session.tokenizer, argument, text);
    n = static_cast<i64>(text.size());
  }
  const ReadTokens read = [&](i64 offset, std::span<int64_t> out) {
    if (stream) return stream->copy(offset, out);
    std::copy_n(text.begin() + offset, out.size(), out.begin());
  };
  ProgressLine progress;
  const Perplexity p =
      perplexity(*session.model, session.state, n, read, session.tokenizer->end_of_text(), n_bytes,
                 options.limit, options.model.path, [&](i64 done, i64 all, double nll) {
                   if (progress.is_due()) {
                     progress.show(format("perplexity: {} of {} windows, {:.4f} nats per token",
                                          done, all, nll));
                   }
                 });
  Json out;
  out["nll_per_token"] = p.nll_per_token;
  out["ppl"] = p.ppl;
  out["bits_per_byte"] = n_bytes > 0 ? Json(p.bits_per_byte) : Json(nullptr);
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
  const std::string near = nearest_name(name, names);
  fail("[eval] no task '{}'{}; there are: {}", name,
       near.empty() ? "" : " (did you mean '" + near + "'?)", known);
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    fail_errno("[eval] cannot write the output");
  }
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

  ModelSession session(options.model);
  Json results = Json::object();
  for (const Asked& asked : tasks) {
    const Json result = asked.task->run(session, options, asked.argument);
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
