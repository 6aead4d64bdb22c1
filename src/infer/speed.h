// How fast a model runs, and how fast the machine could at most: what `lathe bench` measures.
#pragma once

#include <vector>

#include "infer/forward.h"

namespace lathe::infer {

// One thing to time: a prompt of n_prompt tokens, or n_generated tokens one by one; `depth` tokens
// are in the cache before.
struct SpeedTest {
  i64 n_prompt = 0, n_generated = 0, depth = 0;
  PathChoice path = PathChoice::kAll;
  DType cache = DType::kF32;

  i64 n_tokens() const { return n_prompt + n_generated; }
};

// Borrows the model and the state, which others may use in between.
class SpeedRun {
 public:
  // Fills the cache up to the depth. Error where the tokens do not fit the context.
  SpeedRun(const Model& model, State& state, const SpeedTest& test);

  // Seconds that the test takes now, on random tokens; the logits of the last one are computed, and
  // no token is drawn.
  double seconds();

  const SpeedTest& test() const { return test_; }
  const KvCache& cache() const { return cache_; }

 private:
  const Model& model_;
  State& state_;
  SpeedTest test_;
  KvCache cache_;
  std::vector<int32_t> tokens_;
};

// Bytes of weights that a token's pass reads when it is the only one.
i64 weight_bytes_a_token(const Model& model, PathChoice path);

// Bytes a second that the pool's threads read from memory: the best of some passes over a buffer
// that no cache holds.
double read_bandwidth(ThreadPool& pool);

// FLOPs a second of large products with weights of that type on all threads, the best of some.
double product_peak(State& state, DType type);

}  // namespace lathe::infer
