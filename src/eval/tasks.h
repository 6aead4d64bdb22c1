// What a model can be scored on, by name: tasks that work on a file of the user's, in one table,
// and the multiple-choice benchmarks (eval/benchmarks.h). A task builds requests and reads scores;
// it knows no engine.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "eval/benchmarks.h"
#include "eval/scorer.h"
#include "text/tokenizer.h"

namespace lathe {

struct TaskInput {
  const Tokenizer& tokenizer;
  i64 vocab_size = 0;    // the model's
  i64 begin_token = -1;  // the model's
  i64 limit = 0;         // documents or windows of a task; 0: all
  i64 window = 0;        // tokens that a text is cut into; 0: the model's context
  std::function<void(const std::string&)> on_progress;
};

// One row a task.
struct Task {
  std::string_view name, argument;  // what its argument is called
  // The figures, by their names.
  Json (*run)(Scorer& scorer, const TaskInput& input, const std::string& argument);
};

struct AskedTask {
  std::string text;      // as given: "perplexity:wiki.txt"
  std::string argument;  // "wiki.txt"; of a benchmark its subject, or ""
  const Task* task = nullptr;
  const Benchmark* benchmark = nullptr;  // one of both
};

// Error naming the nearest task where there is none of that name, or its argument is missing.
AskedTask parse_task(const std::string& text);

}  // namespace lathe
