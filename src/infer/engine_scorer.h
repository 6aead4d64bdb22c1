// The native engine as a Scorer.
#pragma once

#include <functional>
#include <vector>

#include "eval/scorer.h"
#include "infer/engine.h"
#include "infer/forward.h"

namespace lathe::infer {

// Requests beside each other that begin alike are one run with branches: what they share is
// computed once, and only rows that are scored meet the head. Short runs go through the model
// together.
class EngineScorer : public Scorer {
 public:
  // Borrows the engine's model and state.
  EngineScorer(const Model& model, State& state, PathChoice path = PathChoice::kAll)
      : model_(model), state_(state), path_(path) {}
  explicit EngineScorer(Engine& engine, PathChoice path = PathChoice::kAll)
      : EngineScorer(*engine.model, engine.state, path) {}

  i64 context_length() const override { return model_.plan.spec.context_length; }
  std::vector<Score> score(std::span<const Request> requests, bool greedy) override;
  std::vector<double> score_vocabulary(std::span<const std::vector<int32_t>> texts) override;

 private:
  // One run to be: its tokens, where its branches begin, and the tokens whose logits are wanted,
  // ascending.
  struct Feed {
    std::vector<int32_t> tokens;
    std::vector<i64> branches, rows;
  };
  // The logits (vocab_size) of wanted row `row` of a feed. Calls come from many threads at once.
  using OnRow = std::function<void(size_t feed, size_t row, const float* logits)>;

  void feed(std::span<const Feed> feeds, const OnRow& on_row);
  size_t feed_ahead(const Feed& feed, size_t index, const OnRow& on_row);
  void run_pass(std::span<const Feed> feeds, size_t begin, size_t end, size_t ahead,
                const OnRow& on_row);
  bool is_long(const Feed& feed) const;
  void make_cache(size_t slot, i64 capacity);

  struct Group;
  Group take_group(std::span<const Request> requests, size_t first) const;

  const Model& model_;
  State& state_;
  PathChoice path_;
  std::vector<KvCache> caches_;  // one a run of a pass
};

}  // namespace lathe::infer
