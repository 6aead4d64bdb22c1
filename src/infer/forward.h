// The forward pass: one walk over the model's stages for the new tokens of one or more sequences.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/enum_names.h"
#include "infer/kv_cache.h"
#include "infer/model.h"
#include "infer/state.h"

namespace lathe::infer {

// New tokens of one sequence; `cache` holds those before them and takes these in.
struct Run {
  std::span<const int32_t> tokens;
  KvCache* cache = nullptr;
  // Where alternatives begin, ascending; empty: none. Those tokens that are before the first of
  // them, the trunk, follow the cache's; each alternative up to the next follows the trunk, as if
  // the other alternatives were not there. What they leave in the cache is no sequence: nothing may
  // go on from it before it is truncated to the trunk or less.
  std::span<const i64> branches = {};
  // The tokens whose logits are wanted, ascending; for LogitRows::kListed.
  std::span<const i64> rows = {};
};

// Tokens of a run that follow one another: its trunk, or one of its alternatives.
struct Piece {
  i64 first = 0, n = 0;  // in the run
  i64 before = 0;        // tokens before its first one in the sequence
};
std::vector<Piece> pieces_of(const Run& run);

// Of every new token, of the last of each run, or of those that each run lists.
enum class LogitRows { kAll, kLast, kListed };
enum class PathChoice {
  kAll,   // every path of a fork, weighted
  kBest,  // only the path with the largest weight, as if the model had no other
};
constexpr auto names_of(PathChoice) { return enum_names<PathChoice>("all", "best"); }

// Logits (rows, vocab_size) in the order of the runs and their tokens, valid until the state's next
// use. Prefill and decoding are the same pass: a run may have any number of tokens, and several
// runs share each reading of the weights. Error, before anything is changed, for a token outside
// the vocabulary, an empty run, a cache without room, or a text beyond the context length.
std::span<const float> forward(const Model& model, State& state, std::span<const Run> runs,
                               LogitRows rows, PathChoice path = PathChoice::kAll);

inline std::span<const float> forward(const Model& model, State& state, KvCache& cache,
                                      std::span<const int32_t> tokens, LogitRows rows,
                                      PathChoice path = PathChoice::kAll) {
  const Run run{tokens, &cache};
  return forward(model, state, std::span(&run, 1), rows, path);
}

// y (n, out) = the linear of x (n, in); y must not overlap x.
void apply(const Linear& linear, State& state, i64 n, const float* x, float* y);

}  // namespace lathe::infer
