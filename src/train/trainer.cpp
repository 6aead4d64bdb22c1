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
#include "train/benchmarks.h"
#include "train/device.h"
#include "train/learner.h"
#include "train/model_scorer.h"
#include "train/optim/schedule.h"
#include "train/sample.h"
#include "train/thread_choice.h"

namespace lathe::train {

namespace {

using Clock = std::chrono::steady_clock;

double number_or_nan(const Json& value) {
  return value.is_number() ? value.get<double>() : std::nan("");
}

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
        benchmarks_(run, *data_.tokenizer),
        directory_(run.out),
        lock_(lock(run, resume)),  // makes the folder, once the run is known to be possible
        learner_((run_.precision = precision_.precision, run_), plan_, phases_, device_) {
    if (!precision_.line.empty()) observer_.say(precision_.line);
    start(resume);
  }

  RunEnd run() {
    peak_flops_ = measured_peak_flops(device_, learner_.compute_dtype());
    say_start();
    catch_up();
    while (state_.step < phases_.total && train_step()) {
      if (learner_.guided() && state_.step == phases_.guided) {
        learner_.end_guidance();
        observer_.say(format("step {}: the guided phase is over", state_.step));
      }
      if (state_.step == phases_.total) break;
      if (due(run_.eval_every)) evaluate();
      if (due(run_.benchmarks.every)) score_benchmarks();
      if (due(run_.sample_every)) sample();
      if (due(run_.checkpoint_every)) save();
    }
    if (state_.step == phases_.total && !state_.finished) {
      evaluate();
      score_benchmarks();
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
    const auto say = [&](const std::string& text) { observer_.say(text); };
    std::optional<i64> from;
    if (resume) {
      from = directory_.newest_whole(say);
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
      learner_.load(folder, state_.step, data_, say);
      if (const std::string own = learner_.teacher_fingerprint(); own != state_.teacher) {
        fail("[run] {} was trained from another teacher ({}) than teacher.model {} is now ({})",
             folder, state_.teacher, run_.teacher.model, own);
      }
      data_.chat_template = read_chat_template(folder);
    } else {
      learner_.begin(data_, say);
      state_.teacher = learner_.teacher_fingerprint();
      state_.data = data_.fingerprint;
    }
    directory_.remove_unfinished();
    write_file_atomically(directory_.file(kRunFile), print_toml(run_));
    metrics_.emplace(directory_.file(kMetricsFile), state_.step);
  }

  void say_start() {
    const ParamCount count = count_params(plan_);
    observer_.say(
        format("{} parameters, {:.1f} MFLOP a token forward; steps {} … {} of {} tokens; {} on {} "
               "threads, "
               "peak {:.0f} GFLOP/s",
               count.total, forward_flops_per_token(plan_, run_.sequence_length()) / 1e6,
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

  // One update; false where a signal came before all of its gradients were there: it is dropped
  // then, and nothing has changed.
  bool train_step() {
    thread_choice_.before(state_.step);
    const auto start = Clock::now();
    const double lr = learning_rate(run_.schedule, run_.optimizer.lr, state_.step, phases_.total);
    const std::optional<Update> done =
        learner_.update(state_.step, lr, *data_.train, *group_, [&] { return stopping(); });
    if (!done) return false;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    StepMetrics m;
    m.loss = done->loss;
    m.grad_norm = done->grad_norm;
    m.alpha = done->alpha;
    m.kl = done->kl;
    m.skipped = !std::isfinite(m.grad_norm);
    if (const auto chosen = thread_choice_.after(state_.step, seconds)) use_threads(*chosen);
    state_.step += 1;
    state_.tokens += run_.batch_tokens();
    state_.flops += done->flops;
    state_.seconds += seconds;
    state_.skipped += m.skipped;
    state_.skipped_in_row = m.skipped ? state_.skipped_in_row + 1 : 0;
    m.step = state_.step;
    m.steps = phases_.total;
    m.tokens = state_.tokens;
    m.lr = lr;
    m.tokens_per_s = static_cast<double>(run_.batch_tokens()) / seconds;
    m.peak_share = done->flops / seconds / peak_flops_;
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
    ModelScorer scorer(learner_.model(), plan_, device_);
    const Perplexity p = perplexity(scorer, data_.validation, run_.data.micro_batch,
                                    [&](i64, i64, double) { return !stopping(); });
    if (stopping()) return;
    state_.last_eval_step = state_.step;
    state_.last_val_loss = p.nll_per_token;
    metrics_->validation(state_.step, p.nll_per_token, p.bits_per_byte);
    observer_.say(format("step {}: validation loss {:.4f}, {:.4f} bits per byte ({} tokens)",
                         state_.step, p.nll_per_token, p.bits_per_byte, p.n_tokens));
  }

  void score_benchmarks() {
    if (benchmarks_.empty() || stopping()) return;
    for (const auto& [task, figures] :
         benchmarks_.score(learner_.model(), device_, [&] { return stopping(); })) {
      metrics_->benchmark(state_.step, task, figures);
      observer_.say(format(
          "step {}: {} acc {:.4f} ± {:.4f}, {:.4f} bits per byte of the right answer "
          "({} items)",
          state_.step, task, figures["acc"].get<double>(), number_or_nan(figures["acc_stderr"]),
          figures["bits_per_byte"].get<double>(), figures["n"].get<i64>()));
    }
  }

  void sample() {
    if (run_.sample_tokens == 0 || stopping()) return;
    const std::string text = sample_text(
        learner_.model(), plan_, *data_.tokenizer, run_.sample_prompt, run_.sample_tokens,
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

  void write_checkpoint() {
    if (!learner_.all_finite()) {
      fail(
          "[guard] after step {} some weights are not finite; no checkpoint of it is written, and "
          "the last one is untouched: try a lower optimizer.lr or a larger optimizer.eps",
          state_.step);
    }
    note_if_best();
    directory_.publish(state_.step, [&](const std::string& folder) {
      learner_.save(folder, state_, data_);
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
  Benchmarks benchmarks_;
  RunDirectory directory_;
  FileLock lock_;
  Learner learner_;
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
