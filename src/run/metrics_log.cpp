#include "run/metrics_log.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/fields.h"

namespace lathe::report {

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
    fail("[report] {}: line {}: {}", where, number, format(pattern, args...));
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
  if (!line.object.contains("loss")) line.refuse("neither 'loss' nor 'val_loss'");
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
      fail("[report] {}: line {}: no JSON object; the file is damaged there", where, number);
    }
    take_line({object, where, number}, log);
  }
  return log;
}

}  // namespace lathe::report
