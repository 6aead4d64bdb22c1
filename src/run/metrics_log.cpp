#include "run/metrics_log.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"

namespace lathe {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr i64 kMostSteps = i64{1} << 53;  // a double still counts them one by one

// One line and its place, for errors.
struct Line {
  const Json& object;
  const std::string& where;
  i64 number;

  template <class... Args>
  [[noreturn]] void refuse(std::string_view pattern, const Args&... args) const {
    fail("[metrics] {}: line {}: {}", where, number, format(pattern, args...));
  }

  // NaN where the key is absent or null.
  double real(const char* key, double least) const {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) return kNan;
    if (!at->is_number()) refuse("'{}' is {}, expected a number", key, at->type_name());
    const double value = at->get<double>();
    if (!(std::isfinite(value) && value >= least)) {
      refuse("'{}' is {}, expected at least {}", key, value, least);
    }
    return value;
  }

  i64 step() const {
    const auto at = object.find("step");
    if (at == object.end()) refuse("no 'step'");
    if (!at->is_number_integer()) refuse("'step' is {}, expected a whole number", at->type_name());
    // An unsigned beyond 63 bits would wrap.
    const double value = at->get<double>();
    if (!(value >= 0 && value <= static_cast<double>(kMostSteps))) {
      refuse("'step' is {}, expected 0 … {}", value, kMostSteps);
    }
    return at->get<i64>();
  }

  bool flag(const char* key) const {
    const auto at = object.find(key);
    if (at == object.end()) return false;
    if (!at->is_boolean()) refuse("'{}' is {}, expected true or false", key, at->type_name());
    return at->get<bool>();
  }
};

constexpr double kAnything = -std::numeric_limits<double>::max();

void take_line(const Line& line, MetricsLog& log) {
  const i64 step = line.step();
  if (line.object.contains("val_loss")) {
    if (!log.validations.empty() && step < log.validations.back().step) {
      line.refuse("validation of step {} after that of step {}", step, log.validations.back().step);
    }
    log.validations.push_back(
        {step, line.real("val_loss", kAnything), line.real("val_bits_per_byte", kAnything)});
    return;
  }
  if (line.object.contains("task")) return;  // a benchmark's figures
  if (!line.object.contains("loss")) line.refuse("neither 'loss' nor 'val_loss' nor 'task'");
  const i64 before = log.steps.empty() ? 0 : log.steps.back().step;
  if (step <= before) line.refuse("step {} after step {}", step, before);
  StepLine s;
  s.step = step;
  s.tokens = line.real("tokens", 0);
  s.loss = line.real("loss", kAnything);
  s.tokens_per_s = line.real("tokens_per_s", 0);
  s.flops = line.real("flops", 0);
  s.alpha = line.real("alpha", kAnything);
  s.skipped = line.flag("skipped");
  log.steps.push_back(s);
}

}  // namespace

MetricsLog parse_metrics(std::string_view text, const std::string& where) {
  MetricsLog log;
  i64 number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    const bool whole = end != std::string_view::npos;
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(whole ? end + 1 : text.size());
    const Json object = Json::parse(content, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
      if (!whole) {
        log.cut = true;
        break;
      }
      fail("[metrics] {}: line {}: no JSON object; the file is damaged there", where, number);
    }
    take_line({object, where, number}, log);
  }
  return log;
}

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
  if (m.kl) object["kl"] = number(*m.kl);
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

void MetricsFile::benchmark(i64 step, const std::string& task, const Json& figures) {
  Json object;
  object["step"] = step;
  object["task"] = task;
  object.update(figures);
  line(object.dump());
}

}  // namespace lathe
