// The native engine as a Scorer.
#pragma once

#include "eval/scorer.h"
#include "infer/engine.h"
#include "infer/forward.h"

namespace lathe::infer {

class EngineScorer : public Scorer {
 public:
  // Borrows the engine's model and state.
  EngineScorer(const Model& model, State& state, PathChoice path = PathChoice::kAll)
      : model_(model), state_(state), path_(path), cache_(model) {}
  explicit EngineScorer(Engine& engine, PathChoice path = PathChoice::kAll)
      : EngineScorer(*engine.model, engine.state, path) {}

  i64 context_length() const override { return model_.plan.spec.context_length; }
  std::vector<Score> score(std::span<const Request> requests, bool greedy) override;

 private:
  Score score_one(const Request& request, bool greedy);

  const Model& model_;
  State& state_;
  PathChoice path_;
  KvCache cache_;
};

}  // namespace lathe::infer
