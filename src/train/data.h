// The prepared folders of a run: training order, validation splits, tokenizer.
#pragma once

#include <memory>

#include "data/batches.h"
#include "eval/perplexity.h"
#include "run/run_spec.h"
#include "text/tokenizer.h"
#include "weights/model_directory.h"

namespace lathe::train {

struct RunData {
  std::unique_ptr<BatchSource> train;
  std::vector<ScoredText> validation;  // a split each, with the windows that are scored of it
  std::unique_ptr<Tokenizer> tokenizer;
  std::string chat_template;  // of the model that training goes on from; "" where it has none
  std::string fingerprint;    // of what the folders hold, for resuming
};

// Opens and checks run.data; Error where a folder is no prepared one, has another tokenizer than
// the first, a larger vocabulary than the model, or shards that are damaged or changed. Reads all
// of them, at some GB/s.
RunData open_data(const RunSpec& run);

// Error unless a model has the tokenizer that the data was prepared with; `key` of the run file
// names it. One without the tokenizer's file has none to compare.
void check_same_tokenizer(const ModelDirectory& model, const char* key, const Tokenizer& data);

// Takes the chat template of a model that training goes on from. Error where it has another
// tokenizer than the data.
void adopt_text_of(const ModelDirectory& model, RunData& data);

}  // namespace lathe::train
