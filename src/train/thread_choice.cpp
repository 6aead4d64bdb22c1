#include "train/thread_choice.h"

#include "base/median.h"

namespace lathe::train {

namespace {

constexpr i64 kFirst = 2;  // the updates before it warm up
constexpr i64 kMeasured = 6;
// An update this long is no small model's: the wait at the end of its parts is nothing beside them.
constexpr double kLongSeconds = 1;

bool is_single(i64 update) { return (update - kFirst) % 2 == 1; }

}  // namespace

ThreadChoice::ThreadChoice(i64 asked, const at::Device& device)
    : all_(at::get_num_threads()), open_(asked == 0 && device.is_cpu() && all_ > 1) {}

bool ThreadChoice::is_measured(i64 update) const {
  return open_ && update >= kFirst && update < kFirst + kMeasured;
}

void ThreadChoice::before(i64 update) {
  if (update > kFirst && on_all_.empty()) open_ = false;  // a run that goes on
  if (is_measured(update)) at::set_num_threads(is_single(update) ? 1 : all_);
}

std::optional<int> ThreadChoice::after(i64 update, double seconds) {
  if (!is_measured(update)) return std::nullopt;
  at::set_num_threads(all_);
  (is_single(update) ? on_one_ : on_all_).push_back(seconds);
  if (seconds > kLongSeconds && !is_single(update)) open_ = false;
  const bool has_all = on_all_.size() + on_one_.size() == kMeasured;
  if (update != kFirst + kMeasured - 1 || !has_all) return std::nullopt;
  open_ = false;
  // Not for a difference that is noise: on all threads the run gets faster when other work ends.
  if (seconds_on_one() > 0.95 * seconds_on_all()) return all_;
  at::set_num_threads(1);
  return 1;
}

double ThreadChoice::seconds_on_all() const { return median(on_all_); }
double ThreadChoice::seconds_on_one() const { return median(on_one_); }

}  // namespace lathe::train
