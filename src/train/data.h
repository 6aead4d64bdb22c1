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
  std::string fingerprint;  // of what the folders hold, for resuming
};

// Opens and checks run.data; Error where a folder is no prepared one, has another tokenizer than
// the first, a larger vocabulary than the model, or shards that are damaged or changed. Reads all
// of them, at some GB/s.
RunData open_data(const RunSpec& run);

// Error where the model, which training goes on from, has another tokenizer than the data. One
// without the tokenizer's file has none to compare.
void check_tokenizer_of(const ModelDirectory& model, const RunData& data);

}  // namespace lathe::train
