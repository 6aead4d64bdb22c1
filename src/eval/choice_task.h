// A multiple-choice task as it was asked for: its items, what a model scores them, and its figures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/benchmarks.h"
#include "eval/item_log.h"

namespace lathe {

struct ChoiceOptions {
  std::string data;  // the folder with the benchmarks' folders
  Protocol protocol = Protocol::kHarness;
  i64 shots = 0;
  i64 limit = 0;        // the first items; 0: all
  std::string subject;  // of a benchmark that has them; "": all
};

struct ChoiceTask {
  const Benchmark* benchmark = nullptr;
  ChoiceOptions options;
  std::string split;
  std::vector<ChoiceItem> items;
  std::vector<std::string> notes;  // what is to be said of them
};

// Error where files are missing or wrong, or the protocol has no such task or no examples.
ChoiceTask load_choice_task(const Benchmark& benchmark, const ChoiceOptions& options);

// The requests, a JSON object a line: doc, choice, context, continuation, gold; the task's name
// first where `with_name`.
std::string request_lines(const ChoiceTask& task, bool with_name);

// A model that is asked.
struct Examinee {
  Scorer& scorer;
  const Tokenizer& tokenizer;
  i64 begin_token = -1;
  std::string hash;       // of what it computes with; for the log
  std::string directory;  // for errors
};

std::vector<EncodedItem> encode_task(const ChoiceTask& task, const Examinee& model);
ItemOrigin origin_of(const ChoiceTask& task, const Examinee& model);

// One row an item. What `log` has is not asked again, what it has not is appended; null: no log.
FigureRows run_choice_task(const ChoiceTask& task, std::span<const EncodedItem> encoded,
                           const Examinee& model, ItemLog* log,
                           const std::function<void(const std::string&)>& on_progress);

// The figures with what they are figures of.
Json task_json(const ChoiceTask& task, const FigureRows& rows);

}  // namespace lathe
