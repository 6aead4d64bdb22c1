// What a run trains, and one update of it: the weights, their optimizer and, for a while, the
// guide. Knows nothing of the run's course, its folder or who watches.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "train/checkpoint.h"
#include "train/data.h"
#include "train/nn/model.h"
#include "train/process_group.h"
#include "train/teacher.h"

namespace lathe::train {

// What an update was.
struct Update {
  double loss = 0;              // mean over the batch's tokens that count, nats; NaN where none
                                // does; of teacher.mode = blocks that of the blocks' losses, over
                                // all tokens
  double grad_norm = 0;         // before clipping; not finite: the weights were left alone
  double flops = 0;             // that it cost
  std::optional<double> alpha;  // of the guide, in guided steps
  std::optional<double> kl;     // mean KL(teacher ‖ student), where logits are learnt
};

class Learner {
 public:
  // Borrows all three; run.precision is settled.
  Learner(const RunSpec& run, const Plan& plan, const Phases& phases, at::Device device);

  using Say = std::function<void(const std::string&)>;
  // Then one of these. begin(): the weights that a new run begins with; takes the chat template of
  // a model that it goes on from. load(): those of the checkpoint in `folder`, of step `step`;
  // needs the teacher only where it is learnt from in every update.
  void begin(RunData& data, const Say& say);
  void load(const std::string& folder, i64 step, const RunData& data, const Say& say);
  // Into the folder of a checkpoint: the model directory, optimizer and trainer state.
  void save(const std::string& folder, const TrainerState& state, const RunData& data);

  // Update number `step` at the rate `lr`, from its batch. Nothing, and nothing has changed, where
  // `stop` said so before all of its gradients were there.
  std::optional<Update> update(i64 step, double lr, const BatchSource& data, ProcessGroup& group,
                               const std::function<bool()>& stop);

  // Whether there is a guide; it is to go with end_guidance() once step is phases.guided.
  bool guided() const { return guide_.has_value(); }
  void end_guidance();

  const Model& model() const { return *model_; }
  at::ScalarType compute_dtype() const { return parameters_.compute_dtype; }
  bool all_finite();
  // Of the teacher's weights; "" where nothing is learnt from one in every update.
  std::string teacher_fingerprint() const { return teacher_ ? teacher_->fingerprint() : ""; }

 private:
  // Those that the run does not train are frozen.
  static Parameters& with_frozen(Parameters& parameters, const RunSpec& run);
  struct Guide {
    Guide(const Plan& plan, const RunSpec& run, i64 guided, at::Device device)
        : guidance(plan, run.self_guided, guided, static_cast<uint64_t>(run.seed), device,
                   run.precision),
          optimizer(run.optimizer, with_frozen(guidance.parameters, run)) {}
    Guidance guidance;
    Optimizer optimizer;
  };
  // What an update is made of, summed over tokens; undefined where there is none.
  struct Sums {
    at::Tensor loss, kl;
    i64 n_tokens = 0;  // that count; of the whole batch
    void add(const Sums& more);
  };
  void make_model();
  std::vector<Parameters*> sets();
  TrainedSet model_set() { return {parameters_, optimizer_}; }
  std::optional<TrainedSet> guide_set();
  double flops_of_update() const;
  // Of one micro-batch; adds the gradient of scale · loss to the sets.
  Sums learn(const at::Tensor& tokens, const at::Tensor& targets, double scale);
  // Of the update's batch; gradients of its mean are in the sets. Undefined where `stop` said so.
  Sums accumulate_gradients(i64 step, const BatchSource& data, const std::function<bool()>& stop);

  const RunSpec& run_;
  const Plan& plan_;
  const Phases& phases_;
  at::Device device_;
  Parameters parameters_;
  Optimizer optimizer_;
  std::optional<Guide> guide_;
  std::unique_ptr<Teacher> teacher_;  // where teacher.mode is not off
  std::optional<Model> model_;
};

}  // namespace lathe::train
