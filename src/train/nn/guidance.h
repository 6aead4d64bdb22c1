// Self-guided training (arXiv 2406.16450 §4): beside each structured linear f stands a dense matrix
// W that starts as f's own product, and a layer gives o = α·Wx + (1 − α)·f(x) + b while α falls
// from 1 to alpha_end over the first G updates; then W is gone. This file has the phase, the draws
// and the cost; guided_linear.h the layer.
#pragma once

#include <functional>

#include "run/run_spec.h"
#include "train/nn/parameters.h"

namespace lathe::train {

// α of update `step`: 1 at step 0, falling to alpha_end at step G = guided, by half a cosine or a
// line; 0 from there on.
double guide_alpha(const SelfGuidedSpec& spec, i64 step, i64 guided);

// What a linear's output is made of: dense · Wx + structured · f(x) + b. A path of weight 0 is not
// computed.
struct Mix {
  double dense = 0, structured = 1;
  bool operator==(const Mix&) const = default;
};

class Guidance {
 public:
  // Zero-filled matrices W for every structured linear of `plan`; see start_from_product.
  Guidance(const Plan& plan, const SelfGuidedSpec& spec, i64 guided, uint64_t seed,
           at::Device device, Precision precision);

  // W = the product of the factors in `model`, both shuffles included.
  void start_from_product(Parameters& model);
  // The factors in `model` become the best projection of α·W + (1 − α)·product, α = alpha_end.
  // Calls `changed` with each of them; leaves pairs with a frozen one as they are.
  void reproject(Parameters& model, const std::function<void(const Parameter&)>& changed);

  void set_step(i64 step) { step_ = step; }
  double alpha() const { return guide_alpha(spec_, step_, guided_); }
  i64 guided_steps() const { return guided_; }

  // For linear number `index` of guide_list(plan). A draw is a pure function of (seed, step,
  // index), one for the whole batch of an update: the same in each of its micro-batches, whatever
  // their size, after a resume, in a recomputation, and in any process.
  Mix mix(i64 index) const { return training_ ? drawn(index) : mixture(); }

  // Forward FLOPs per token of this step's training passes, beyond those of the model without
  // guidance.
  double extra_flops_per_token() const;

  // The number of `part`'s guide, or -1 where it has none.
  i64 index_of(const std::string& part) const;
  Parameters parameters;  // the matrices W, by the names of guide_list

 private:
  friend class TrainingPass;
  Mix mixture() const { return {alpha(), 1 - alpha()}; }
  Mix drawn(i64 index) const;
  SelfGuidedSpec spec_;
  i64 guided_;
  uint64_t seed_;
  i64 step_ = 0;
  bool training_ = false;
};

// While it lives, passes are training passes, with stochastic draws; elsewhere every pass is the
// mixture itself.
class TrainingPass {
 public:
  // Null: a model without guidance. One at a time.
  explicit TrainingPass(Guidance* guidance) : guidance_(guidance) { set(true); }
  ~TrainingPass() { set(false); }
  TrainingPass(const TrainingPass&) = delete;
  TrainingPass& operator=(const TrainingPass&) = delete;

 private:
  void set(bool training) {
    if (guidance_) guidance_->training_ = training;
  }
  Guidance* guidance_;
};

}  // namespace lathe::train
