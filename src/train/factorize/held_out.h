// What a change of weights does to a model, on text that nothing was learnt from.
#pragma once

#include <vector>

#include "train/nn/model.h"

namespace lathe::train {

// How a model does, and how far its predictions are from the reference's.
struct HeldOutFit {
  double nll_per_token = 0;  // mean −ln p
  double kl = 0;             // mean KL(reference ‖ model), nats a token
};

class HeldOut {
 public:
  // Runs `reference` over `windows` (n + 1 tokens each, at least one) and remembers what its head
  // is given. Borrows both.
  HeldOut(const Model& reference, const std::vector<std::vector<i64>>& windows);

  // Of a model with the same vocabulary. `n_windows`: only so many of them; 0: all.
  HeldOutFit compare(const Model& model, i64 n_windows = 0) const;
  // The reference's own mean −ln p, from what is remembered.
  double reference_nll() const;
  i64 n_tokens() const;

 private:
  const Model& reference_;
  const std::vector<std::vector<i64>>& windows_;
  std::vector<at::Tensor> hidden_;  // (n, D) of each window
};

}  // namespace lathe::train
