#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/file_lock.h"
#include "model/counts.h"
#include "run/precision.h"
#include "run/resume.h"
#include "run/run_directory.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/device.h"
#include "train/model_scorer.h"
#include "train/nn/init.h"
#include "train/nn/model.h"
#include "train/optim/schedule.h"
#include "train/process_group.h"
#include "train/sample.h"
#include "train/thread_choice.h"
#include "weights/model_directory.h"

namespace lathe::train {

namespace {

using Clock = std::chrono::steady_clock;

class Trainer {
 public:
  Trainer(const RunSpec& run, bool resume, RunObserver& observer)
      : observer_(observer),
        run_((check_fresh(run, resume), resume ? with_kept_choices(run) : run)),
        device_(open_device(run_.device, run_.threads)),
        thread_choice_(run_.threads, device_),
        precision_(open_precision(run_.precision, run_.device)),
        plan_(make_plan(run.model)),
        phases_(phases_of(run)),
        data_(open_data(run)),
        directory_(run.out),
        lock_(lock(run, resume)),  // makes the folder, once the run is known to be possible
        parameters_(plan_, device_, precision_.precision),
        optimizer_(run.optimizer, parameters_) {
    run_.precision = precision_.precision;
    if (!precision_.line.empty()) observer_.say(precision_.line);
    start(resume);
  }

  RunEnd run() {
    peak_flops_ = measured_peak_flops(device_, parameters_.compute_dtype);
    say_start();
    catch_up();
    while (state_.step < phases_.total && train_step()) {
      if (guide_ && state_.step == phases_.guided) end_guidance();
      if (state_.step == phases_.total) break;
      if (due(run_.eval_every)) evaluate();
      if (due(run_.sample_every)) sample();
      if (due(run_.checkpoint_every)) save();
    }
    if (state_.step == phases_.total && !state_.finished) {
      evaluate();
      if (due(run_.sample_every)) sample();
      state_.finished = !stopping();
      if (state_.finished) write_checkpoint();
    }
    if (!state_.finished) return stopped();
    observer_.say(format("done: {} in {:.0f} s of training; model in {}", run_.out, state_.seconds,
                         directory_.checkpoint(state_.step)));
    return RunEnd::kFinished;
  }

 private:
  static void check_fresh(const RunSpec& run, bool resume) {
    if (!resume && holds_run(run.out)) {
      fail("[run] {} already holds a run; add --resume to go on with it, or choose another out",
           run.out);
    }
  }

  // A second process in the same folder would write over the first one's checkpoints.
  static FileLock lock(const RunSpec& run, bool resume) {
    RunDirectory(run.out).create();
    std::optional<FileLock> taken = FileLock::try_take(run.out + "/lock");
    if (!taken) {
      fail("[run] another process trains in {}; wait for its end, or choose another out", run.out);
    }
    check_fresh(run, resume);  // again: one may just have ended
    return std::move(*taken);
  }

  // Whether any process has been asked to stop; from then on it holds.
  bool stopping() {
    stopping_ = stopping_ || group_->any(observer_.stop_asked());
    return stopping_;
  }

  bool due(i64 every) const { return every > 0 && state_.step % every == 0; }

  void start(bool resume) {
    std::optional<i64> from;
    if (resume) {
      from = directory_.newest_whole([&](const std::string& text) { observer_.say(text); });
      if (!from) observer_.say(format("[run] {} has no whole checkpoint; starting anew", run_.out));
    }
    if (from) {
      const std::string folder = directory_.checkpoint(*from);
      const RunSpec stored = load_run_spec(folder + "/" + kRunFile, {});
      const std::vector<std::string> changes = changes_on_resume(stored, run_, folder);
      state_ = load_trainer_state(folder);
      if (state_.data != data_.fingerprint) {
        fail("[run] {} was trained on other data ({}) than data.path holds now ({})", folder,
             state_.data, data_.fingerprint);
      }
      if (state_.step > phases_.total) {
        fail("[run] {} has {} steps behind it, and the run file asks for {}; give as many or more",
             folder, state_.step, phases_.total);
      }
      for (const std::string& change : changes) observer_.say(change);
      saved_step_ = state_.step;
      state_.finished &= state_.step == phases_.total;
      if (state_.step < phases_.guided) begin_guidance();
      const std::optional<TrainedSet> guide = guide_set();
      load_checkpoint(folder, model_set(), guide ? &*guide : nullptr);
      data_.chat_template = read_chat_template(folder);
    } else {
      if (run_.model.init_from.empty()) {
        initialise(parameters_, static_cast<uint64_t>(run_.seed), run_.init);
      } else {
        const auto base = open_model_directory(model_directory(
            run_.model.init_from, [&](const std::string& text) { observer_.say(text); }));
        adopt_text_of(base, data_);
        load_weights(*base.weights, parameters_);
      }
      if (phases_.guided > 0) {
        begin_guidance();
        guide_->guidance.start_from_product(parameters_);
      }
      state_.data = data_.fingerprint;
    }
    model_.emplace(plan_, parameters_, run_.recompute, guide_ ? &guide_->guidance : nullptr);
    directory_.remove_unfinished();
    write_file_atomically(directory_.file(kRunFile), print_toml(run_));
    metrics_.emplace(directory_.file(kMetricsFile), state_.step);
  }

  void begin_guidance() { guide_.emplace(plan_, run_, phases_.guided, device_); }

  // The dense matrices and their optimizer state go; the structured model is on its own.
  void end_guidance() {
    if (run_.self_guided.handoff == GuideHandoff::kReproject) {
      guide_->guidance.reproject(parameters_,
                                 [&](const Parameter& factor) { optimizer_.forget_basis(factor); });
    }
    model_.emplace(plan_, parameters_, run_.recompute);
    guide_.reset();
    observer_.say(format("step {}: the guided phase is over", state_.step));
  }

  TrainedSet model_set() { return {parameters_, optimizer_}; }
  std::optional<TrainedSet> guide_set() {
    if (!guide_) return std::nullopt;
    return TrainedSet{guide_->guidance.parameters, guide_->optimizer};
  }

  void say_start() {
    const ParamCount count = count_params(plan_);
    observer_.say(
        format("{} parameters, {:.1f} MFLOP a token forward; steps {} … {} of {} tokens; {} on {} "
               "threads, "
               "peak {:.0f} GFLOP/s",
               count.total, forward_flops_per_token(plan_, run_.model.context_length) / 1e6,
               state_.step, phases_.total, run_.batch_tokens(), name_of(run_.precision),
               at::get_num_threads(), peak_flops_ / 1e9));
    if (phases_.guided == 0) return;
    std::string line = format("self-guided for {} steps, {} dense weights beside the factors",
                              phases_.guided, guide_weights(plan_));
    if (phases_.total > phases_.steps) {
      line += format("; the first {} batches come again at the end", phases_.guided);
    }
    observer_.say(line);
  }

  // Summed loss of the update's batch; gradients of its mean are in parameters_ and the guide's.
  // `flops`: what it costs. Undefined where a signal came before it was done.
  at::Tensor accumulate_gradients(double& flops) {
    const i64 T = run_.model.context_length, micro = run_.data.micro_batch;
    const double scale = 1.0 / static_cast<double>(run_.batch_tokens());
    const i64 first = phases_.batch_of(state_.step) * run_.data.global_batch;
    const double extra = guide_ ? guide_->guidance.extra_flops_per_token() : 0;
    flops =
        3 * (forward_flops_per_token(plan_, T) + extra) * static_cast<double>(run_.batch_tokens());
    at::Tensor loss;
    std::vector<i64> ids(static_cast<size_t>(micro * (T + 1)));
    for (i64 done = 0; done < run_.data.global_batch; done += micro) {
      if (stopping()) return {};
      data_.train->read_batch(static_cast<uint64_t>(first + done), micro, ids);
      const at::Tensor all =
          at::from_blob(ids.data(), {micro, T + 1}, at::TensorOptions().dtype(at::kLong))
              .to(device_);
      const at::Tensor sum = model_->loss_and_grad(all.narrow(1, 0, T).contiguous(),
                                                   all.narrow(1, 1, T).contiguous(), scale);
      loss = loss.defined() ? loss + sum : sum;
    }
    return loss;
  }

  // One update; false where a signal came before all of its gradients were there: it is dropped
  // then, and nothing has changed.
  bool train_step() {
    thread_choice_.before(state_.step);
    const auto start = Clock::now();
    StepMetrics m;
    std::vector<Parameters*> sets = {&parameters_};
    if (guide_) {
      guide_->guidance.set_step(state_.step);
      m.alpha = guide_->guidance.alpha();
      sets.push_back(&guide_->guidance.parameters);
    }
    for (Parameters* set : sets) set->zero_grad();
    const double lr = learning_rate(run_.schedule, run_.optimizer.lr, state_.step, phases_.total);
    double flops = 0;
    const at::Tensor loss = accumulate_gradients(flops);
    if (!loss.defined()) return false;
    group_->sum(loss);
    for (Parameters* set : sets) group_->sum(set->flat_grad);
    // Not finite if either is: the optimizers then leave the weights alone.
    const at::Tensor norm = gradient_norm(sets) + (loss - loss);
    optimizer_.step(lr, norm);
    if (guide_) guide_->optimizer.step(lr, norm);

    m.loss = loss.item<double>() / static_cast<double>(run_.batch_tokens());
    m.grad_norm = norm.item<double>();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double tokens = static_cast<double>(run_.batch_tokens());
    m.skipped = !std::isfinite(m.grad_norm);
    if (const auto chosen = thread_choice_.after(state_.step, seconds)) use_threads(*chosen);
    state_.step += 1;
    state_.tokens += run_.batch_tokens();
    state_.flops += flops;
    state_.seconds += seconds;
    state_.skipped += m.skipped;
    state_.skipped_in_row = m.skipped ? state_.skipped_in_row + 1 : 0;
    m.step = state_.step;
    m.steps = phases_.total;
    m.tokens = state_.tokens;
    m.lr = lr;
    m.tokens_per_s = tokens / seconds;
    m.peak_share = flops / seconds / peak_flops_;
    m.flops = state_.flops;
    m.ms = seconds * 1000;
    metrics_->step(m);
    observer_.step(m);
    if (m.skipped) {
      observer_.say(format("step {}: the loss or gradient is not finite; update skipped", m.step));
      if (state_.skipped_in_row > run_.guard.max_skips) {
        fail(
            "[guard] {} updates in a row had a loss or gradient that is not finite "
            "(guard.max_skips "
            "{}); the last checkpoint is untouched: try a lower optimizer.lr",
            state_.skipped_in_row, run_.guard.max_skips);
      }
    }
    return true;
  }

  // Several threads stay an open choice, for the machine that the run goes on.
  void use_threads(int chosen) {
    if (chosen > 1) return;
    run_.threads = chosen;
    write_file_atomically(directory_.file(kRunFile), print_toml(run_));
    observer_.say(format(
        "one thread is faster here than {} ({:.2f} s an update against {:.2f}): going on with "
        "one; threads = {} chooses otherwise",
        thread_choice_.all(), thread_choice_.seconds_on_one(), thread_choice_.seconds_on_all(),
        thread_choice_.all()));
  }

  // The validation of this step, unless it has been, or a signal comes before its end.
  void evaluate() {
    if (data_.validation.empty() || state_.last_eval_step == state_.step) return;
    ModelScorer scorer(*model_, plan_, device_);
    const Perplexity p = perplexity(scorer, data_.validation, run_.data.micro_batch,
                                    [&](i64, i64, double) { return !stopping(); });
    if (stopping()) return;
    state_.last_eval_step = state_.step;
    state_.last_val_loss = p.nll_per_token;
    metrics_->validation(state_.step, p.nll_per_token, p.bits_per_byte);
    observer_.say(format("step {}: validation loss {:.4f}, {:.4f} bits per byte ({} tokens)",
                         state_.step, p.nll_per_token, p.bits_per_byte, p.n_tokens));
  }

  void sample() {
    if (run_.sample_tokens == 0 || stopping()) return;
    const std::string text =
        sample_text(*model_, plan_, *data_.tokenizer, run_.sample_prompt, run_.sample_tokens,
                    static_cast<uint64_t>(run_.seed), device_, [&] { return stopping(); });
    if (!stopping()) observer_.say(format("step {}: sample: {}", state_.step, text));
  }

  void save() {
    evaluate();  // so that the best checkpoint is known
    if (!stopping()) write_checkpoint();
  }

  // What a run that was stopped at this step has left out of it.
  void catch_up() {
    const bool validated = due(run_.eval_every) || due(run_.checkpoint_every);
    if (state_.step == 0 || state_.step == phases_.total || !validated) return;
    evaluate();
    note_if_best();
  }

  RunEnd stopped() {
    if (state_.step == 0) {
      observer_.say(format("stopped by {} before the first step was done; nothing is saved",
                           observer_.stop_reason()));
      return RunEnd::kStopped;
    }
    if (saved_step_ != state_.step) write_checkpoint();
    observer_.say(format("stopped by {} after step {}; go on with --resume",
                         observer_.stop_reason(), state_.step));
    return RunEnd::kStopped;
  }

  void note_if_best() {
    const bool better = state_.last_eval_step == state_.step &&
                        std::isfinite(state_.last_val_loss) &&
                        (state_.best_step < 0 || state_.last_val_loss < state_.best_loss);
    if (!better) return;
    state_.best_loss = state_.last_val_loss;
    state_.best_step = state_.step;
  }

  void check_finite() {
    std::vector<const Parameters*> sets = {&parameters_};
    if (guide_) sets.push_back(&guide_->guidance.parameters);
    for (const Parameters* set : sets) {
      if (at::isfinite(set->flat_value).all().item<bool>()) continue;
      fail(
          "[guard] after step {} some weights are not finite; no checkpoint of it is written, and "
          "the last one is untouched: try a lower optimizer.lr or a larger optimizer.eps",
          state_.step);
    }
  }

  void write_checkpoint() {
    check_finite();
    note_if_best();
    directory_.publish(state_.step, [&](const std::string& folder) {
      save_model(folder, run_.model, parameters_, *data_.tokenizer, data_.chat_template);
      const std::optional<TrainedSet> guide = guide_set();
      save_trainer(folder, state_, model_set(), guide ? &*guide : nullptr);
      write_file_atomically(folder + "/" + kRunFile, print_toml(run_));
    });
    saved_step_ = state_.step;
    directory_.prune(run_.keep_checkpoints, state_.best_step);
  }

  RunObserver& observer_;
  std::unique_ptr<ProcessGroup> group_ = single_process();
  bool stopping_ = false;
  RunSpec run_;
  at::Device device_;
  ThreadChoice thread_choice_;
  PrecisionChoice precision_;
  Plan plan_;
  Phases phases_;
  RunData data_;
  RunDirectory directory_;
  FileLock lock_;
  Parameters parameters_;
  Optimizer optimizer_;
  // There while state_.step < phases_.guided.
  struct Guide {
    Guide(const Plan& plan, const RunSpec& run, i64 guided, at::Device device)
        : guidance(plan, run.self_guided, guided, static_cast<uint64_t>(run.seed), device,
                   run.precision),
          optimizer(run.optimizer, guidance.parameters) {}
    Guidance guidance;
    Optimizer optimizer;
  };
  std::optional<Guide> guide_;
  std::optional<Model> model_;
  TrainerState state_;
  i64 saved_step_ = -1;  // of the newest checkpoint
  std::optional<MetricsFile> metrics_;
  double peak_flops_ = 1;
};

}  // namespace

RunEnd run_training(const RunSpec& run, bool resume, RunObserver& observer) {
  return Trainer(run, resume, observer).run();
}

}  // namespace lathe::train
