// A model in training as a Scorer.
#pragma once

#include "eval/scorer.h"
#include "train/nn/model.h"

namespace lathe::train {

class ModelScorer : public Scorer {
 public:
  // Borrows both.
  ModelScorer(const Model& model, const Plan& plan, at::Device device)
      : model_(model), plan_(plan), device_(device) {}

  i64 context_length() const override { return plan_.spec.context_length; }
  std::vector<Score> score(std::span<const Request> requests, bool greedy) override;

 private:
  void score_alike(std::span<const Request> requests, bool greedy, std::vector<Score>& scores);

  const Model& model_;
  const Plan& plan_;
  at::Device device_;
};

}  // namespace lathe::train
