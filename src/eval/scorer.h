// How likely a model thinks a text: the one question that evaluation asks of an engine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/integer.h"

namespace lathe {

// ln p(continuation | context) is asked for. Both have at least one token, and all of them but the
// last, which is not fed, fit the context length.
struct Request {
  std::vector<int32_t> context, continuation;
};

struct Score {
  double log_likelihood = 0;  // Σ ln p of the continuation's tokens
  bool greedy = false;        // each of them was the most likely one; where that was asked for
};

// One implementation an engine. One thread at a time.
class Scorer {
 public:
  virtual ~Scorer() = default;
  // The most tokens that can be fed at once.
  virtual i64 context_length() const = 0;
  // One score a request, in their order. Requests beside each other may be run together, and what
  // their tokens have in common from the first on be computed once; their scores do not depend on
  // it beyond rounding. Error, naming the token or the length, for a request that the model cannot
  // take.
  virtual std::vector<Score> score(std::span<const Request> requests, bool greedy) = 0;
  // Of each text Σ ln p over its positions and every token of the vocabulary: what the scripts of
  // gpt-variations call a score. Error where an engine has no such thing.
  virtual std::vector<double> score_vocabulary(std::span<const std::vector<int32_t>> texts);
};

// Error unless both parts have tokens of a vocabulary of `vocab_size` that fit `context_length`.
void check_request(const Request& request, i64 context_length, i64 vocab_size);

}  // namespace lathe
