// lathe eval: scores a model on tasks.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/progress_line.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "eval/tasks.h"
#include "infer/engine_scorer.h"

namespace lathe {
namespace {

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
  ModelOptions model;
  model.add_to(app);
  i64 limit = 0;
  std::vector<std::string> names;
  bool json = false;
  app.add_option("--tasks", names,
                 "tasks, separated by commas: perplexity:FILE (a text, JSON lines or a shard) or "
                 "perplexity:FOLDER (the val split of a prepared one)")
      ->required()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("TASK,…");
  app.add_option("--limit", limit, "only the first N documents or windows of each task")
      ->check(kPositiveCount)
      ->type_name("N");
  app.add_flag("--json", json, "one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  std::vector<AskedTask> tasks;  // all are checked before the first is run
  for (const std::string& name : names) tasks.push_back(parse_task(name));

  const auto engine = open_engine(model);
  infer::EngineScorer scorer(*engine, model.path);
  ProgressLine progress;
  const TaskInput input{.tokenizer = *engine->tokenizer,
                        .vocab_size = engine->model->plan.spec.vocab_size,
                        .begin_token = engine->model->plan.spec.begin_token,
                        .limit = limit,
                        .on_progress = [&](const std::string& text) {
                          if (progress.is_due()) progress.show(text);
                        }};
  Json results = Json::object();
  for (const AskedTask& asked : tasks) {
    const Json result = asked.task->run(scorer, input, asked.argument);
    progress.clear();
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
