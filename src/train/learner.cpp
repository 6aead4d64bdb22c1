#include "train/learner.h"

#include "model/counts.h"
#include "run/run_directory.h"
#include "train/nn/init.h"
#include "weights/model_directory.h"

namespace lathe::train {

Learner::Learner(const RunSpec& run, const Plan& plan, const Phases& phases, at::Device device)
    : run_(run),
      plan_(plan),
      phases_(phases),
      device_(device),
      parameters_(plan, device, run.precision),
      optimizer_(run.optimizer, parameters_) {}

void Learner::make_model() {
  model_.emplace(plan_, parameters_, run_.recompute, guide_ ? &guide_->guidance : nullptr);
}

void Learner::begin(RunData& data, const std::function<void(const std::string&)>& say) {
  if (run_.model.init_from.empty()) {
    initialise(parameters_, static_cast<uint64_t>(run_.seed), run_.init);
  } else {
    const auto base = open_model_directory(model_directory(run_.model.init_from, say));
    adopt_text_of(base, data);
    load_weights(*base.weights, parameters_);
  }
  if (phases_.guided > 0) {
    guide_.emplace(plan_, run_, phases_.guided, device_);
    guide_->guidance.start_from_product(parameters_);
  }
  make_model();
}

void Learner::load(const std::string& folder, i64 step) {
  if (step < phases_.guided) guide_.emplace(plan_, run_, phases_.guided, device_);
  const std::optional<TrainedSet> guide = guide_set();
  load_checkpoint(folder, model_set(), guide ? &*guide : nullptr);
  make_model();
}

void Learner::save(const std::string& folder, const TrainerState& state, const RunData& data) {
  save_model(folder, run_.model, parameters_, *data.tokenizer, data.chat_template);
  const std::optional<TrainedSet> guide = guide_set();
  save_trainer(folder, state, model_set(), guide ? &*guide : nullptr);
}

// The dense matrices and their optimizer state go; the structured model is on its own.
void Learner::end_guidance() {
  if (run_.self_guided.handoff == GuideHandoff::kReproject) {
    guide_->guidance.reproject(parameters_,
                               [&](const Parameter& factor) { optimizer_.forget_basis(factor); });
  }
  model_.emplace(plan_, parameters_, run_.recompute);
  guide_.reset();
}

std::optional<TrainedSet> Learner::guide_set() {
  if (!guide_) return std::nullopt;
  return TrainedSet{guide_->guidance.parameters, guide_->optimizer};
}

std::vector<Parameters*> Learner::sets() {
  std::vector<Parameters*> list = {&parameters_};
  if (guide_) list.push_back(&guide_->guidance.parameters);
  return list;
}

bool Learner::all_finite() {
  for (const Parameters* set : sets()) {
    if (!at::isfinite(set->flat_value).all().item<bool>()) return false;
  }
  return true;
}

double Learner::flops_of_update() const {
  const double extra = guide_ ? guide_->guidance.extra_flops_per_token() : 0;
  return 3 * (forward_flops_per_token(plan_, run_.model.context_length) + extra) *
         static_cast<double>(run_.batch_tokens());
}

at::Tensor Learner::accumulate_gradients(i64 step, const BatchSource& data,
                                         const std::function<bool()>& stop) {
  const i64 T = run_.model.context_length, micro = run_.data.micro_batch;
  const double scale = 1.0 / static_cast<double>(run_.batch_tokens());
  const i64 first = phases_.batch_of(step) * run_.data.global_batch;
  at::Tensor loss;
  std::vector<i64> ids(static_cast<size_t>(micro * (T + 1)));
  for (i64 done = 0; done < run_.data.global_batch; done += micro) {
    if (stop()) return {};
    data.read_batch(static_cast<uint64_t>(first + done), micro, ids);
    const at::Tensor all =
        at::from_blob(ids.data(), {micro, T + 1}, at::TensorOptions().dtype(at::kLong)).to(device_);
    const at::Tensor sum = model_->loss_and_grad(all.narrow(1, 0, T).contiguous(),
                                                 all.narrow(1, 1, T).contiguous(), scale);
    loss = loss.defined() ? loss + sum : sum;
  }
  return loss;
}

std::optional<Update> Learner::update(i64 step, double lr, const BatchSource& data,
                                      ProcessGroup& group, const std::function<bool()>& stop) {
  Update result;
  if (guide_) {
    guide_->guidance.set_step(step);
    result.alpha = guide_->guidance.alpha();
  }
  const std::vector<Parameters*> trained = sets();
  for (Parameters* set : trained) set->zero_grad();
  const at::Tensor loss = accumulate_gradients(step, data, stop);
  if (!loss.defined()) return std::nullopt;
  group.sum(loss);
  for (Parameters* set : trained) group.sum(set->flat_grad);
  // Not finite if either is: the optimizers then leave the weights alone.
  const at::Tensor norm = gradient_norm(trained) + (loss - loss);
  optimizer_.step(lr, norm);
  if (guide_) guide_->optimizer.step(lr, norm);
  result.loss = loss.item<double>() / static_cast<double>(run_.batch_tokens());
  result.grad_norm = norm.item<double>();
  result.flops = flops_of_update();
  return result;
}

}  // namespace lathe::train
