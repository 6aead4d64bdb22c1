#include "eval/scorer.h"

#include "base/error.h"

namespace lathe {

std::vector<double> Scorer::score_vocabulary(std::span<const std::vector<int32_t>>) {
  fail("[score] this engine scores no whole vocabularies; use 'lathe eval'");
}

void check_request(const Request& request, i64 context_length, i64 vocab_size) {
  if (request.context.empty() || request.continuation.empty()) {
    fail("[score] {} tokens of context and {} behind it, expected at least one of each",
         request.context.size(), request.continuation.size());
  }
  const auto inputs = static_cast<i64>(request.context.size() + request.continuation.size()) - 1;
  if (inputs > context_length) {
    fail("[score] {} tokens do not fit the context of {}; shorten the text", inputs,
         context_length);
  }
  for (const auto* part : {&request.context, &request.continuation}) {
    for (const int32_t token : *part) {
      if (token >= 0 && token < vocab_size) continue;
      fail("[score] token {} is outside the vocabulary of {}; is the tokenizer another one?", token,
           vocab_size);
    }
  }
}

}  // namespace lathe
