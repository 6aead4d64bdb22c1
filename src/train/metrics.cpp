#include "train/metrics.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/fields.h"

namespace lathe::train {

namespace {

// JSON has no NaN or infinity: null, so that every line parses.
Json number(double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); }

std::string lines_up_to(const std::string& path, i64 keep_steps) {
  std::string kept;
  if (!std::filesystem::exists(path)) return kept;
  std::istringstream in(read_text_file(path));
  for (std::string line; std::getline(in, line);) {
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer() ||
        object["step"].get<i64>() > keep_steps) {
      continue;
    }
    kept += line + "\n";
  }
  return kept;
}

std::string duration(double seconds) {
  const i64 s = static_cast<i64>(seconds + 0.5);
  if (s < 60) return format("{}s", s);
  if (s < 3600) return format("{}m{:02}s", s / 60, s % 60);
  return format("{}h{:02}m", s / 3600, s / 60 % 60);
}

std::string rate(double per_s) {
  return per_s >= 10000 ? format("{:.1f}k", per_s / 1000) : format("{:.0f}", per_s);
}

std::string all_numbers(const StepMetrics& m, double seconds_left) {
  return format("loss {:.4f}  lr {:.2e}  norm {:.2f}  {} tokens/s  {:.0f}% of peak  {} left",
                m.loss, m.lr, m.grad_norm, rate(m.tokens_per_s), 100 * m.peak_share,
                duration(seconds_left));
}

}  // namespace

MetricsFile::MetricsFile(const std::string& path, i64 keep_steps) : path_(path) {
  write_file_atomically(path, keep_steps > 0 ? lines_up_to(path, keep_steps) : "");
  file_ = std::fopen(path.c_str(), "ae");
  if (!file_) fail_errno("[metrics] cannot write " + path);
}

MetricsFile::~MetricsFile() {
  if (file_) std::fclose(file_);
}

void MetricsFile::line(const std::string& text) {
  if (std::fputs((text + "\n").c_str(), file_) < 0 || std::fflush(file_) != 0) {
    fail_errno("[metrics] cannot write " + path_);
  }
}

void MetricsFile::step(const StepMetrics& m) {
  Json object;
  object["step"] = m.step;
  object["tokens"] = m.tokens;
  object["loss"] = number(m.loss);
  object["lr"] = m.lr;
  object["grad_norm"] = number(m.grad_norm);
  object["tokens_per_s"] = m.tokens_per_s;
  object["peak_share"] = m.peak_share;
  object["flops"] = m.flops;
  object["ms"] = m.ms;
  if (m.alpha) object["alpha"] = *m.alpha;
  if (m.skipped) object["skipped"] = true;
  line(object.dump());
}

void MetricsFile::validation(i64 step, double loss, double bits_per_byte) {
  Json object;
  object["step"] = step;
  object["val_loss"] = number(loss);
  object["val_bits_per_byte"] = number(bits_per_byte);
  line(object.dump());
}

std::string progress_text(const StepMetrics& m, double seconds_left, int columns) {
  const std::string at = format("{}/{}", m.step, m.steps), loss = format("loss {:.4f}", m.loss),
                    speed = format("{} tokens/s", rate(m.tokens_per_s)),
                    left = duration(seconds_left) + " left";
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

}  // namespace lathe::train
