// The prepared folders of a run: training order, validation splits, tokenizer.
#pragma once

#include <memory>

#include "data/batches.h"
#include "eval/perplexity.h"
#include "run/run_spec.h"
#include "text/tokenizer.h"

namespace lathe::train {

struct RunData {
  std::unique_ptr<BatchSource> train;
  std::vector<ScoredText> validation;  // a split each, with the windows that are scored of it
  std::unique_ptr<Tokenizer> tokenizer;
  std::string fingerprint;  // of what the folders hold, for resuming
};

// Opens and checks run.data; Error where a folder is no prepared one, has another tokenizer than
// the first, or a larger vocabulary than the model.
RunData open_data(const RunSpec& run);

}  // namespace lathe::train
