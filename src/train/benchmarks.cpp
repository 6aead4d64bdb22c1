#include "train/benchmarks.h"

#include <nlohmann/json.hpp>

#include "eval/tasks.h"
#include "train/model_scorer.h"

namespace lathe::train {

Benchmarks::Benchmarks(const RunSpec& run, const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  for (const std::string& name : run.benchmarks.tasks) {
    const AskedTask asked = parse_task(name);
    if (!asked.benchmark) {
      fail(
          "[run] benchmarks.tasks has '{}', expected a multiple-choice task; perplexity is what "
          "validation is",
          name);
    }
    tasks_.push_back(load_choice_task(
        *asked.benchmark,
        {.data = run.benchmarks.data, .limit = run.benchmarks.items, .subject = asked.argument}));
    encoded_.push_back(encode_items(tasks_.back().items, Protocol::kHarness, tokenizer,
                                    run.model.begin_token, run.model.context_length,
                                    "[run] benchmarks: " + name));
  }
}

std::vector<std::pair<std::string, Json>> Benchmarks::score(
    const Model& model, at::Device device, const std::function<bool()>& stop) const {
  struct Stopped {};
  ModelScorer scorer(model, model.plan(), device);
  const Examinee examinee{scorer, tokenizer_, model.plan().spec.begin_token, "", ""};
  std::vector<std::pair<std::string, Json>> figures;
  try {
    for (size_t i = 0; i < tasks_.size(); ++i) {
      const FigureRows rows =
          run_choice_task(tasks_[i], encoded_[i], examinee, nullptr, [&](const std::string&) {
            if (stop()) throw Stopped();
          });
      figures.emplace_back(tasks_[i].benchmark->name, task_json(tasks_[i], rows));
    }
  } catch (const Stopped&) {
    return {};
  }
  return figures;
}

}  // namespace lathe::train
