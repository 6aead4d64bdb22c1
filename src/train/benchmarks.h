// Multiple-choice benchmarks of a model while it trains, scored as `lathe eval` scores them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fields.h"
#include "eval/choice_task.h"
#include "run/run_spec.h"
#include "train/nn/model.h"

namespace lathe::train {

class Benchmarks {
 public:
  // Those of run.benchmarks, their files read and their texts in tokens. Borrows the tokenizer.
  // Error where a task is unknown, its file missing or wrong, or the tokenizer cannot spell it.
  Benchmarks(const RunSpec& run, const Tokenizer& tokenizer);

  bool empty() const { return tasks_.empty(); }
  // The figures of each, by its name, as `lathe eval --json` has them; nothing where `stop` said so
  // before the end.
  std::vector<std::pair<std::string, Json>> score(const Model& model, at::Device device,
                                                  const std::function<bool()>& stop) const;

 private:
  const Tokenizer& tokenizer_;
  std::vector<ChoiceTask> tasks_;
  std::vector<std::vector<EncodedItem>> encoded_;
};

}  // namespace lathe::train
