#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/account.h"
#include "core/atomic_file.h"
#include "core/config_tree.h"
#include "core/run_directory.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/device.h"
#include "train/init.h"
#include "train/metrics.h"
#include "train/model.h"
#include "train/resume.h"
#include "train/schedule.h"

namespace lathe::train {

namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t g_stop_signal = 0;

// Catches SIGTERM and SIGINT while it lives; a second one of either ends the process at once.
class StopSignals {
 public:
  StopSignals() {
    g_stop_signal = 0;
    struct sigaction action = {};
    action.sa_handler = [](int signal) { g_stop_signal = signal; };
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGTERM, &action, &old_term_);
    sigaction(SIGINT, &action, &old_int_);
  }
  ~StopSignals() {
    sigaction(SIGTERM, &old_term_, nullptr);
    sigaction(SIGINT, &old_int_, nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  struct sigaction old_term_, old_int_;
};

class Trainer {
 public:
  Trainer(const RunSpec& run, bool resume)
      : run_(run),
        directory_((check_fresh(run, resume), run.out)),
        device_(open_device(run.device, run.threads)),
        plan_(make_plan(run.model)),
        data_(open_data(run)),
        parameters_(plan_, device_, run.precision),
        model_(plan_, parameters_, run.recompute),
        optimizer_(run.optimizer, parameters_),
        progress_(run.log_every, stderr) {
    start(resume);
  }

  RunEnd run() {
    const StopSignals signals;
    peak_flops_ = measured_peak_flops(device_, parameters_.compute_dtype);
    say_start();
    while (state_.step < run_.steps) {
      train_step();
      const bool last = state_.step == run_.steps;
      if (last || due(run_.eval_every)) evaluate();
      if (run_.sample_tokens > 0 && due(run_.sample_every)) sample();
      if (last || g_stop_signal || due(run_.checkpoint_every)) save();
      if (g_stop_signal && !last) {
        progress_.say(format("stopped by {} after step {}; go on with --resume",
                             g_stop_signal == SIGTERM ? "SIGTERM" : "SIGINT", state_.step));
        return RunEnd::kStopped;
      }
    }
    progress_.say(format("done: {} in {:.0f} s of training; model in {}", run_.out, state_.seconds,
                         directory_.checkpoint(state_.step)));
    return RunEnd::kFinished;
  }

 private:
  static void check_fresh(const RunSpec& run, bool resume) {
    if (resume) return;
    std::error_code ignored;
    if (std::filesystem::exists(run.out + "/latest", ignored)) {
      fail("[run] {} already holds a run; add --resume to go on with it, or choose another out",
           run.out);
    }
  }

  bool due(i64 every) const { return every > 0 && state_.step % every == 0; }

  void start(bool resume) {
    std::optional<i64> from;
    if (resume) {
      from = directory_.newest_whole([&](const std::string& text) { progress_.say(text); });
      if (!from) progress_.say(format("[run] {} has no whole checkpoint; starting anew", run_.out));
    }
    if (from) {
      const std::string folder = directory_.checkpoint(*from);
      const RunSpec stored = load_run_spec(folder + "/run.toml", {});
      for (const std::string& change : changes_on_resume(stored, run_, folder)) {
        progress_.say(change);
      }
      state_ = load_checkpoint(folder, parameters_, optimizer_);
      if (state_.data != data_.fingerprint) {
        fail("[run] {} was trained on other data ({}) than data.path holds now ({})", folder,
             state_.data, data_.fingerprint);
      }
    } else {
      if (run_.init_from.empty()) {
        initialise(parameters_, static_cast<uint64_t>(run_.seed));
      } else {
        load_weights(model_directory(run_.init_from) + "/model.safetensors", parameters_);
      }
      state_.data = data_.fingerprint;
    }
    write_file_atomically(directory_.file("run.toml"), print_toml(run_));
    metrics_.emplace(directory_.file("metrics.jsonl"), state_.step);
  }

  void say_start() {
    const ParamCount count = count_params(plan_);
    progress_.say(
        format("{} parameters, {:.1f} MFLOP a token forward; steps {} … {} of {} tokens; {} on {} "
               "threads, "
               "peak {:.0f} GFLOP/s",
               count.total, forward_flops_per_token(plan_, run_.model.context_length) / 1e6,
               state_.step, run_.steps, run_.batch_tokens(),
               names_of(run_.precision)[static_cast<size_t>(run_.precision)], at::get_num_threads(),
               peak_flops_ / 1e9));
  }

  // Summed loss of the update's batch; gradients of its mean are in parameters_.
  at::Tensor accumulate_gradients() {
    const i64 T = run_.model.context_length, micro = run_.data.micro_batch;
    const double scale = 1.0 / static_cast<double>(run_.batch_tokens());
    at::Tensor loss;
    std::vector<i64> ids(static_cast<size_t>(micro * (T + 1)));
    for (i64 done = 0; done < run_.data.global_batch; done += micro) {
      data_.train->read_batch(static_cast<uint64_t>(state_.next_sample + done), micro, ids);
      const at::Tensor all =
          at::from_blob(ids.data(), {micro, T + 1}, at::TensorOptions().dtype(at::kLong))
              .to(device_);
      const at::Tensor sum = model_.loss_and_grad(all.narrow(1, 0, T).contiguous(),
                                                  all.narrow(1, 1, T).contiguous(), scale);
      loss = loss.defined() ? loss + sum : sum;
    }
    return loss;
  }

  void train_step() {
    const auto start = Clock::now();
    parameters_.zero_grad();
    const double lr = learning_rate(run_.schedule, run_.optimizer.lr, state_.step, run_.steps);
    const at::Tensor loss = accumulate_gradients();
    // Not finite if either is: the optimizer then leaves the weights alone.
    const at::Tensor norm = optimizer_.grad_norm() + (loss - loss);
    optimizer_.step(lr, norm);

    StepMetrics m;
    m.loss = loss.item<double>() / static_cast<double>(run_.batch_tokens());
    m.grad_norm = norm.item<double>();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double tokens = static_cast<double>(run_.batch_tokens());
    const double flops = 3 * forward_flops_per_token(plan_, run_.model.context_length) * tokens;
    m.skipped = !std::isfinite(m.grad_norm);
    state_.step += 1;
    state_.next_sample += run_.data.global_batch;
    state_.tokens += run_.batch_tokens();
    state_.flops += flops;
    state_.seconds += seconds;
    state_.skipped += m.skipped;
    state_.skipped_in_row = m.skipped ? state_.skipped_in_row + 1 : 0;
    m.step = state_.step;
    m.steps = run_.steps;
    m.tokens = state_.tokens;
    m.lr = lr;
    m.tokens_per_s = tokens / seconds;
    m.peak_share = flops / seconds / peak_flops_;
    m.flops = state_.flops;
    m.ms = seconds * 1000;
    metrics_->step(m);
    progress_.step(m);
    if (m.skipped) {
      progress_.say(format("step {}: the loss or gradient is not finite; update skipped", m.step));
      if (state_.skipped_in_row > run_.guard.max_skips) {
        fail(
            "[guard] {} updates in a row had a loss or gradient that is not finite "
            "(guard.max_skips "
            "{}); the last checkpoint is untouched: try a lower optimizer.lr",
            state_.skipped_in_row, run_.guard.max_skips);
      }
    }
  }

  void evaluate() {
    if (data_.validation.empty() || state_.last_eval_step == state_.step) return;
    const Validation v = validate_model(model_, plan_, data_.validation, run_.eval_tokens,
                                        run_.data.micro_batch, device_);
    state_.last_eval_step = state_.step;
    state_.last_val_loss = v.loss;
    metrics_->validation(state_.step, v.loss, v.bits_per_byte);
    progress_.say(format("step {}: validation loss {:.4f}, {:.4f} bits per byte ({} tokens)",
                         state_.step, v.loss, v.bits_per_byte, v.tokens));
  }

  void sample() {
    const std::string text =
        sample_text(model_, plan_, *data_.tokenizer, run_.sample_prompt, run_.sample_tokens,
                    static_cast<uint64_t>(run_.seed), device_);
    progress_.say(format("step {}: sample: {}", state_.step, text));
  }

  void save() {
    evaluate();  // so that the best checkpoint is known
    const bool better = state_.last_eval_step == state_.step &&
                        std::isfinite(state_.last_val_loss) &&
                        (state_.best_step < 0 || state_.last_val_loss < state_.best_loss);
    if (better) {
      state_.best_loss = state_.last_val_loss;
      state_.best_step = state_.step;
    }
    directory_.publish(state_.step, [&](const std::string& folder) {
      save_model(folder, run_.model, parameters_, *data_.tokenizer);
      save_trainer(folder, state_, parameters_, optimizer_);
      write_file_atomically(folder + "/run.toml", print_toml(run_));
    });
    directory_.prune(run_.keep_checkpoints, state_.best_step);
  }

  RunSpec run_;
  RunDirectory directory_;
  at::Device device_;
  Plan plan_;
  RunData data_;
  Parameters parameters_;
  Model model_;
  AdamW optimizer_;
  Progress progress_;
  TrainerState state_;
  std::optional<MetricsFile> metrics_;
  double peak_flops_ = 1;
};

}  // namespace

RunEnd run_training(const RunSpec& run, bool resume) { return Trainer(run, resume).run(); }

}  // namespace lathe::train
