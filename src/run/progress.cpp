#include "run/progress.h"

#include <cmath>

#include "base/duration.h"
#include "base/error.h"

namespace lathe {

namespace {

std::string rate(double per_s) {
  return per_s >= 10000 ? format("{:.1f}k", per_s / 1000) : format("{:.0f}", per_s);
}

std::string all_numbers(const StepMetrics& m, double seconds_left) {
  return format("loss {:.4f}  lr {:.2e}  norm {:.2f}  {} tokens/s  {:.0f}% of peak  {} left",
                m.loss, m.lr, m.grad_norm, rate(m.tokens_per_s), 100 * m.peak_share,
                duration_text(seconds_left));
}

}  // namespace

std::string progress_text(const StepMetrics& m, double seconds_left, int columns) {
  const std::string at = format("{}/{}", m.step, m.steps), loss = format("loss {:.4f}", m.loss),
                    speed = format("{} tokens/s", rate(m.tokens_per_s)),
                    left = duration_text(seconds_left) + " left";
  const std::string all = all_numbers(m, seconds_left);
  constexpr i64 kBar = 24;
  std::string bar(static_cast<size_t>(kBar * m.step / m.steps), '=');
  bar.resize(kBar, ' ');
  for (const std::string& text :
       {format("{} [{}] {}", at, bar, all), format("{}  {}", at, all),
        format("{}  {}  norm {:.2f}  {}  {}", at, loss, m.grad_norm, speed, left),
        format("{}  {}  {}  {}", at, loss, speed, left), format("{}  {}  {}", at, loss, left),
        format("{}  {}", at, loss)}) {
    if (count_columns(text) <= columns) return text;
  }
  return fit_columns(at, columns);
}

Progress::Progress(i64 log_every, std::FILE* out) : log_every_(log_every), out_(out), line_(out) {}

void Progress::step(const StepMetrics& m) {
  const double weight = started_ ? 0.1 : 1.0;
  started_ = true;
  if (std::isfinite(m.loss)) smoothed_loss_ += weight * (m.loss - smoothed_loss_);
  smoothed_ms_ += weight * (m.ms - smoothed_ms_);
  const double left = smoothed_ms_ / 1000 * static_cast<double>(m.steps - m.step);
  if (line_.is_terminal()) {
    // As often as an eye follows.
    const Clock::time_point now = Clock::now();
    if (shown_ && now - *shown_ < std::chrono::milliseconds(100) && m.step < m.steps) return;
    shown_ = now;
    StepMetrics smooth = m;
    smooth.loss = smoothed_loss_;
    line_.show(progress_text(smooth, left, line_.columns()));
  } else if (m.step == 1 || m.step % log_every_ == 0 || m.step == m.steps) {
    say(format("step {}/{}  {}", m.step, m.steps, all_numbers(m, left)));
  }
}

void Progress::say(const std::string& text) {
  line_.clear();
  std::fputs((one_line(text) + "\n").c_str(), out_);
  std::fflush(out_);
}

}  // namespace lathe
