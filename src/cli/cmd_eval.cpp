// lathe eval: scores a model on tasks.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/progress_line.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/eval_output.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "eval/choice_task.h"
#include "eval/tasks.h"
#include "infer/engine_scorer.h"
#include "weights/model_hash.h"

namespace lathe {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::vector<std::string> tasks;
  ChoiceOptions choices;
  std::string against, items, dump;
  i64 window = 0;
  bool json = false;

  void add_to(CLI::App& app);
};

void EvalOptions::add_to(CLI::App& app) {
  model.add_to(app, false);
  std::string names;
  for (const Benchmark& b : benchmarks()) names += " " + std::string(b.name);
  app.add_option("--tasks", tasks,
                 "tasks, separated by commas: perplexity:FILE (a text, JSON lines or a shard), "
                 "perplexity:FOLDER (the val split of a prepared one), or benchmarks:" +
                     names)
      ->required()
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("TASK,…");
  app.add_option("--data", choices.data,
                 "the folder with a folder of original files for each benchmark, as "
                 "DIR/piqa/valid.jsonl")
      ->type_name("DIR");
  app.add_option("--limit", choices.limit, "only the first N items or windows of each task")
      ->check(kPositiveCount)
      ->type_name("N");
  app.add_option("--window", window,
                 "tokens that perplexity cuts a text into (default: the model's context)")
      ->check(kPositiveCount)
      ->type_name("N");
  app.add_option("--shots", choices.shots,
                 "N answered examples in front of each question, those that lm_eval draws "
                 "from the training file")
      ->check(WholeNumbers(0, 1000))
      ->type_name("N");
  add_choice(app, "--protocol", choices.protocol,
             "harness: as lm_eval; gpt-variations: the invalid score of that paper's scripts")
      ->type_name("");
  app.add_option("--against", against,
                 "another model: its figures too, and the difference item by item")
      ->type_name("MODEL");
  app.add_option("--items", items,
                 "write each item's scores and predictions to FILE as JSON lines; an interrupted "
                 "evaluation goes on from what is there")
      ->type_name("FILE");
  app.add_option("--dump-requests", dump,
                 "only write what a model would be asked to FILE, a JSON object a line; no model "
                 "is needed")
      ->type_name("FILE");
  app.add_flag("--json", json, "one JSON object");
}

void check_usage(const EvalOptions& options, std::span<const AskedTask> tasks) {
  if (options.dump.empty() && options.model.model.empty()) throw CLI::RequiredError("MODEL");
  if (!options.dump.empty() && !(options.items.empty() && options.against.empty())) {
    throw CLI::ValidationError("--dump-requests", "no --items or --against goes with it");
  }
  for (const AskedTask& asked : tasks) {
    if (asked.benchmark && options.choices.data.empty()) {
      throw CLI::RequiredError("--data, the folder of " + asked.text + "'s files,");
    }
    if (asked.task && !options.dump.empty()) {
      throw CLI::ValidationError("--dump-requests", asked.text + " has no requests to write");
    }
  }
}

// A model with all that asking it takes.
struct OpenedModel {
  OpenedModel(const ModelOptions& options, bool with_hash)
      : engine(open_engine(options)),
        scorer(*engine, options.path),
        examinee{scorer, *engine->tokenizer, engine->model->plan.spec.begin_token, "",
                 engine->directory} {
    if (!with_hash) return;
    examinee.hash = model_hash(open_model_directory(engine->directory), *engine->tokenizer);
    if (options.path != infer::PathChoice::kAll) examinee.hash += name_of(options.path);
  }

  std::unique_ptr<infer::Engine> engine;
  infer::EngineScorer scorer;
  Examinee examinee;
};

// Everything that is asked, of one model after the other.
class Evaluation {
 public:
  Evaluation(const EvalOptions& options, std::span<const AskedTask> asked,
             std::span<const ChoiceTask> choices)
      : options_(options), asked_(asked), choices_(choices) {
    const bool logged = !options.items.empty();
    models_.push_back(std::make_unique<OpenedModel>(options.model, logged));
    if (!options.against.empty()) {
      ModelOptions other = options.model;
      other.model = options.against;
      other.tokenizer = "";
      models_.push_back(std::make_unique<OpenedModel>(other, logged));
    }
    // What a model cannot be asked shows before anything is scored or written.
    for (const auto& model : models_) {
      auto& tokens = tokens_.emplace_back();
      for (const ChoiceTask& task : choices) tokens.push_back(encode_task(task, model->examinee));
    }
    if (logged) open_log();
  }

  std::vector<TaskReport> run() {
    std::vector<TaskReport> reports;
    size_t n_choices = 0;
    for (const AskedTask& task : asked_) {
      reports.push_back(task.benchmark ? run_choices(task.text, n_choices++) : run_task(task));
      progress_.clear();
      if (!options_.json && task.task) print(perplexity_lines(reports.back()));
    }
    return reports;
  }

 private:
  void open_log() {
    std::vector<ItemOrigin> origins;
    for (const auto& model : models_) {
      for (const ChoiceTask& task : choices_) origins.push_back(origin_of(task, model->examinee));
    }
    if (origins.empty()) fail("[eval] --items is for benchmarks, and none is asked for");
    log_.emplace(options_.items, origins);
  }

  void show(const std::string& text) {
    if (progress_.is_due()) progress_.show(text);
  }

  TaskReport run_choices(const std::string& name, size_t index) {
    const ChoiceTask& task = choices_[index];
    std::vector<FigureRows> rows;
    for (size_t m = 0; m < models_.size(); ++m) {
      rows.push_back(run_choice_task(task, tokens_[m][index], models_[m]->examinee,
                                     log_ ? &*log_ : nullptr,
                                     [&](const std::string& text) { show(text); }));
    }
    TaskReport report{name, true, task_json(task, rows[0]), {}, {}};
    if (rows.size() > 1) {
      report.against = summarise(rows[1]);
      report.difference = summarise_difference(rows[0], rows[1]);
    }
    return report;
  }

  TaskReport run_task(const AskedTask& task) {
    std::vector<Json> results;
    for (const auto& model : models_) {
      const TaskInput input{.tokenizer = *model->engine->tokenizer,
                            .vocab_size = model->engine->model->plan.spec.vocab_size,
                            .begin_token = model->examinee.begin_token,
                            .limit = options_.choices.limit,
                            .window = options_.window,
                            .on_progress = [&](const std::string& text) { show(text); }};
      results.push_back(task.task->run(model->scorer, input, task.argument));
    }
    TaskReport report{task.text, false, results[0], {}, {}};
    if (results.size() > 1) {
      report.against = results[1];
      report.difference = Json::object();
      for (const auto& [key, value] : results[0].items()) {
        if (!value.is_number_float() || !results[1].at(key).is_number_float()) continue;
        report.difference[key] = value.get<double>() - results[1].at(key).get<double>();
      }
    }
    return report;
  }

  const EvalOptions& options_;
  std::span<const AskedTask> asked_;
  std::span<const ChoiceTask> choices_;
  std::vector<std::unique_ptr<OpenedModel>> models_;
  std::vector<std::vector<std::vector<EncodedItem>>> tokens_;  // by model, then by choice task
  std::optional<ItemLog> log_;
  ProgressLine progress_;
};

}  // namespace

int cmd_eval(int argc, char** argv) {
  CLI::App app("Scores a model.", "lathe eval");
  EvalOptions options;
  options.add_to(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  std::vector<AskedTask> tasks;  // all are checked before the first is run
  for (const std::string& name : options.tasks) tasks.push_back(parse_task(name));
  check_usage(options, tasks);
  std::vector<ChoiceTask> choices;
  for (const AskedTask& asked : tasks) {
    if (!asked.benchmark) continue;
    ChoiceOptions how = options.choices;
    how.subject = asked.argument;
    choices.push_back(load_choice_task(*asked.benchmark, how));
  }
  const auto say_notes = [&] {
    for (const ChoiceTask& task : choices) {
      for (const std::string& note : task.notes) {
        std::fprintf(stderr, "%s\n", one_line(note).c_str());
      }
    }
  };
  if (!options.dump.empty()) {
    std::string lines;
    for (const ChoiceTask& task : choices) lines += request_lines(task, choices.size() > 1);
    write_file_atomically(options.dump, lines);
    say_notes();
    return 0;
  }
  Evaluation evaluation(options, tasks, choices);
  say_notes();
  const std::vector<TaskReport> reports = evaluation.run();
  print(options.json ? reports_json(reports) : choice_table(reports));
  return 0;
}

}  // namespace lathe
