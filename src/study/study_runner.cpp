#include "study/study_runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "base/atomic_file.h"
#include "base/file_lock.h"

namespace lathe::study {

namespace {

void say(const std::string& text) { std::fprintf(stderr, "%s\n", one_line(text).c_str()); }

std::string duration(double seconds) {
  if (seconds < 90) return format("{:.0f} s", seconds);
  if (seconds < 90 * 60) return format("{:.0f} min", seconds / 60);
  return format("{:.1f} h", seconds / 3600);
}

}  // namespace

StudyPlan plan_study(const std::string& path) {
  StudyPlan plan;
  plan.study = parse_study(read_text_file(path), path);
  plan.contests = study_contests(plan.study);
  plan.runs = resolve_runs(plan.study, plan.contests, path);
  for (const auto& [name, run] : plan.runs) plan.states[name] = state_of(run);
  return plan;
}

StudyRunner::StudyRunner(const StudyPlan& plan, std::string program)
    : plan_(plan), program_(std::move(program)), total_(count_runs(plan.study, plan.contests)) {
  const std::vector<i64>& seeds = plan.study.seeds;
  for (const Contest& contest : plan.contests) {
    const auto cost = [&](const Cell& cell) {
      return plan.runs.at(run_name(cell, seeds.front())).train_flops;
    };
    for (const Cell& cell : contest.cells) flops_left_ += cost(cell);
    // Which cell gets the other seeds is not known yet.
    flops_left_ += static_cast<double>(seeds.size() - 1) * cost(contest.cells.front());
  }
}

void StudyRunner::run() {
  constexpr int kMillisecondsBetweenLooks = 500;
  bool waiting = false;
  for (;;) {
    const size_t before = done_.size();
    bool complete = true;
    for (const Contest& contest : plan_.contests) {
      complete &= run_contest(contest);
      if (stopped_) return;
    }
    if (complete) return;
    if (done_.size() > before) continue;
    if (!waiting) say("lathe: what is left is being trained by another lathe study; waiting");
    waiting = true;
    stopped_ = children_.stopped(kMillisecondsBetweenLooks);
    if (stopped_) return;
  }
}

bool StudyRunner::run_contest(const Contest& contest) {
  const std::vector<i64>& seeds = plan_.study.seeds;
  bool complete = true;
  std::vector<double> losses;
  for (const Cell& cell : contest.cells) {
    complete &= run_one(cell, seeds.front());
    if (stopped_) return false;
    losses.push_back(loss_of(cell, seeds.front()));
  }
  if (!complete) return false;
  size_t chosen = 0;
  if (plan_.study.best) {
    const std::optional<size_t> best = choose_best(losses);
    if (!best) {
      if (given_up_.insert(contest.name).second) {
        say(format("lathe: {}: no {} has a final loss, so no other seed is run",
                   contest.name.empty() ? "the study" : contest.name,
                   plan_.study.axes[*plan_.study.best].name));
        total_ -= seeds.size() - 1;
      }
      return true;
    }
    chosen = *best;
    chosen_.insert(contest.cells[chosen].name);
  }
  for (size_t i = 1; i < seeds.size() && !stopped_; ++i) {
    complete &= run_one(contest.cells[chosen], seeds[i]);
  }
  return complete;
}

bool StudyRunner::run_one(const Cell& cell, i64 seed) {
  const StudyRun& run = plan_.runs.at(run_name(cell, seed));
  if (done_.contains(run.name)) return true;
  stopped_ = children_.stopped();
  if (stopped_) return false;
  const std::string folder = plan_.study.out + "/run-files";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("[study] {}: {}", folder, error.message());
  const std::optional<FileLock> mine = FileLock::try_take(folder + "/" + run.name + ".lock");
  if (!mine) return false;
  const std::string head = format("[{}/{}] {}", done_.size() + 1, total_, run.name);
  const RunState state = state_of(run);
  if (state == RunState::kFinished || train(run, state == RunState::kNew, head)) {
    take_result(run, head);
  }
  flops_left_ = std::max(0.0, flops_left_ - run.train_flops);
  if (stopped_) return false;
  done_.insert(run.name);
  return true;
}

double StudyRunner::loss_of(const Cell& cell, i64 seed) const {
  const auto loss = losses_.find(run_name(cell, seed));
  return loss == losses_.end() ? std::numeric_limits<double>::quiet_NaN() : loss->second;
}

// Whether it is finished; where it is not, the study has stopped or the run has failed.
bool StudyRunner::train(const StudyRun& run, bool anew, const std::string& head) {
  const std::string file = plan_.study.out + "/run-files/" + run.name + ".toml";
  write_file_atomically(file, print_toml(run.spec));
  say(head + time_left());
  std::vector<std::string> arguments = {program_, "train", file};
  if (!anew) arguments.emplace_back("--resume");
  const auto start = std::chrono::steady_clock::now();
  const int status = children_.run(arguments);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  stopped_ = children_.stopped();
  const bool finished = status == 0 && state_of(run) == RunState::kFinished;
  if (finished && anew) {
    flops_trained_ += run.train_flops;
    seconds_ += seconds.count();
  }
  if (!finished && !stopped_) {
    failed_.insert(run.name);
    const std::string how = status == 0     ? "ended without its last checkpoint"
                            : status >= 128 ? format("failed: ended by signal {}", status - 128)
                                            : "failed";
    say(format("{} {}; the study goes on", head, how));
  }
  return finished;
}

void StudyRunner::take_result(const StudyRun& run, const std::string& head) {
  try {
    const double loss = final_loss_of(run);
    losses_[run.name] = loss;
    say(format("{}: final validation loss {:.4f}", head, loss));
  } catch (const Error& e) {
    failed_.insert(run.name);
    say(format("{}: {}", head, e.what()));
  }
}

std::string StudyRunner::time_left() const {
  if (flops_trained_ == 0) return "";
  return format(", about {} left", duration(seconds_ / flops_trained_ * flops_left_));
}

}  // namespace lathe::study
