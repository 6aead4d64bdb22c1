#include "train/learner.h"

#include "model/counts.h"
#include "run/run_directory.h"
#include "train/nn/block_distillation.h"
#include "train/nn/init.h"
#include "weights/model_directory.h"

namespace lathe::train {

Learner::Learner(const RunSpec& run, const Plan& plan, const Phases& phases, at::Device device)
    : run_(run),
      plan_(plan),
      phases_(phases),
      device_(device),
      parameters_(plan, device, run.precision),
      optimizer_(run.optimizer, with_frozen(parameters_, run)) {}

Parameters& Learner::with_frozen(Parameters& parameters, const RunSpec& run) {
  parameters.freeze(run.freeze);
  if (run.teacher.mode != TeacherMode::kBlocks) return parameters;
  for (Parameter& p : parameters.list()) p.frozen |= !p.info.name.starts_with("blocks.");
  return parameters;
}

void Learner::make_model() {
  model_.emplace(plan_, parameters_, run_.recompute, guide_ ? &guide_->guidance : nullptr);
}

void Learner::begin(RunData& data, const Say& say) {
  if (run_.model.init_from.empty()) {
    initialise(parameters_, static_cast<uint64_t>(run_.seed), run_.init);
  } else {
    const auto base = open_model_directory(model_directory(run_.model.init_from, say));
    adopt_text_of(base, data);
    load_weights(*base.weights, parameters_);
  }
  std::optional<ModelDirectory> teacher;
  if (run_.begins_with_teacher()) teacher = open_teacher(run_, *data.tokenizer, say);
  if (phases_.guided > 0) {
    guide_.emplace(plan_, run_, phases_.guided, device_);
    if (run_.self_guided.from == GuideStart::kTeacher) {
      start_guide_from(guide_->guidance, *teacher);
    } else {
      guide_->guidance.start_from_product(parameters_);
    }
  }
  if (run_.teacher.mode != TeacherMode::kOff) {
    teacher_ = std::make_unique<Teacher>(*teacher, device_, run_.precision);
  }
  make_model();
}

void Learner::load(const std::string& folder, i64 step, const RunData& data, const Say& say) {
  if (run_.teacher.mode != TeacherMode::kOff) {
    teacher_ = std::make_unique<Teacher>(open_teacher(run_, *data.tokenizer, say), device_,
                                         run_.precision);
  }
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
  const i64 T = run_.sequence_length();
  double a_token = forward_flops_per_token(plan_, T);
  if (guide_) a_token += guide_->guidance.extra_flops_per_token();
  const auto head = [](const Plan& plan) {
    return 2 * static_cast<double>(plan.spec.d_model) * static_cast<double>(plan.spec.vocab_size);
  };
  double theirs = teacher_ ? forward_flops_per_token(teacher_->plan(), T) : 0;
  if (run_.teacher.mode == TeacherMode::kBlocks) {
    // No heads, and each block of ours twice.
    a_token = 2 * (a_token - head(plan_));
    theirs -= head(teacher_->plan());
  }
  return (3 * a_token + theirs) * static_cast<double>(run_.batch_tokens());
}

void Learner::Sums::add(const Sums& more) {
  for (const auto member : {&Sums::loss, &Sums::kl}) {
    if (!(more.*member).defined()) continue;
    this->*member = (this->*member).defined() ? this->*member + more.*member : more.*member;
  }
}

Learner::Sums Learner::learn(const at::Tensor& tokens, const at::Tensor& targets, double scale) {
  switch (run_.teacher.mode) {
    case TeacherMode::kOff:
      break;
    case TeacherMode::kLogits: {
      const auto [loss, kl] =
          model_->distil_and_grad(tokens, targets, scale,
                                  {teacher_->forward(tokens), &teacher_->model().head(),
                                   run_.teacher.weight, run_.teacher.temperature});
      return {loss, kl};
    }
    case TeacherMode::kBlocks:
      return {distil_blocks(*model_, teacher_->model(), tokens, scale), {}};
  }
  return {model_->loss_and_grad(tokens, targets, scale), {}};
}

Learner::Sums Learner::accumulate_gradients(i64 step, const BatchSource& data,
                                            const std::function<bool()>& stop) {
  const i64 T = run_.sequence_length(), micro = run_.data.micro_batch;
  const i64 first = phases_.batch_of(step) * run_.data.global_batch;
  // Of the whole batch, so that the micro-batch changes nothing.
  std::vector<uint8_t> counted;
  if (data.has_mask() && run_.teacher.mode != TeacherMode::kBlocks) {
    counted.resize(static_cast<size_t>(run_.batch_tokens()));
    data.read_counted(static_cast<uint64_t>(first), run_.data.global_batch, counted);
  }
  Sums sums;
  sums.n_tokens = counted.empty() ? run_.batch_tokens()
                                  : std::count(counted.begin(), counted.end(), uint8_t{1});
  const double scale = 1.0 / static_cast<double>(std::max<i64>(1, sums.n_tokens));
  std::vector<i64> ids(static_cast<size_t>(micro * (T + 1)));
  for (i64 done = 0; done < run_.data.global_batch; done += micro) {
    if (stop()) return {};
    data.read_batch(static_cast<uint64_t>(first + done), micro, ids);
    const at::Tensor all =
        at::from_blob(ids.data(), {micro, T + 1}, at::TensorOptions().dtype(at::kLong)).to(device_);
    at::Tensor targets = all.narrow(1, 1, T);
    if (!counted.empty()) {
      const at::Tensor wanted = at::from_blob(counted.data() + done * T, {micro, T}, at::kByte);
      targets = targets.masked_fill(wanted.to(device_).eq(0), -1);
    }
    sums.add(learn(all.narrow(1, 0, T).contiguous(), targets.contiguous(), scale));
  }
  return sums;
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
  const Sums sums = accumulate_gradients(step, data, stop);
  if (!sums.loss.defined()) return std::nullopt;
  // 0 / 0 where none counts: a loss that is not known.
  const double n_tokens = static_cast<double>(sums.n_tokens);
  group.sum(sums.loss);
  for (Parameters* set : trained) {
    set->clear_frozen_grad();
    group.sum(set->flat_grad);
  }
  // Not finite if either is: the optimizers then leave the weights alone.
  const at::Tensor norm = gradient_norm(trained) + (sums.loss - sums.loss);
  optimizer_.step(lr, norm);
  if (guide_) guide_->optimizer.step(lr, norm);
  result.loss = sums.loss.item<double>() / n_tokens;
  if (sums.kl.defined()) {
    group.sum(sums.kl);
    result.kl = sums.kl.item<double>() / n_tokens;
  }
  result.grad_norm = norm.item<double>();
  result.flops = flops_of_update();
  return result;
}

}  // namespace lathe::train
