#include "report/run_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "base/median.h"
#include "run/run_directory.h"
#include "run/run_spec.h"

namespace lathe::report {

namespace {

namespace fs = std::filesystem;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr i64 kCurvePoints = 320;  // of a run: finer than a screen shows, and small in the page

// The value of a key, or `otherwise` where it is absent; Error when it is of another type.
template <class T>
T key_or(const RunKeys& keys, const std::string& key, T otherwise, const std::string& where) {
  const auto at = keys.find(key);
  if (at == keys.end()) return otherwise;
  const Json& value = at->second;
  bool fits = value.is_string();
  if constexpr (std::is_same_v<T, bool>) fits = value.is_boolean();
  if constexpr (std::is_same_v<T, i64>) fits = value.is_number_integer();
  if constexpr (std::is_same_v<T, double>) fits = value.is_number();
  if (!fits) fail("[report] {}: '{}' is {}", where, key, value.dump());
  return value.get<T>();
}

// Self-guided training with fixed FLOPs appends its guided steps to those of the run file.
i64 planned_steps(const Json& run_file, const RunKeys& keys, const ModelSpec& model,
                  const std::string& where) {
  RunSpec run;
  run.steps = key_or<i64>(keys, "steps", 0, where);
  static_cast<ModelSpec&>(run.model) = model;
  if (const auto at = run_file.find("self_guided"); at != run_file.end()) {
    read_fields(*at, run.self_guided, "[report] " + where + ": self_guided");
  }
  return blaming("[report] " + where, [&] {
    check_ranges(run, "run");
    return phases_of(run).total;
  });
}

std::vector<ValidationPoint> place_validations(const MetricsLog& log) {
  std::vector<ValidationPoint> points;
  for (const ValidationLine& v : log.validations) {
    const auto at = std::partition_point(log.steps.begin(), log.steps.end(),
                                         [&](const StepLine& s) { return s.step < v.step; });
    const bool found = at != log.steps.end() && at->step == v.step;
    const ValidationPoint point = {v.step, found ? at->tokens : kNan, found ? at->flops : kNan,
                                   v.loss, v.bits_per_byte};
    // A resumed run may repeat the validation it was stopped at.
    if (!points.empty() && points.back().step == v.step) points.pop_back();
    points.push_back(point);
  }
  return points;
}

}  // namespace

RunRecord make_run_record(const std::string& path, const Json& run_file, const MetricsLog& log) {
  const std::string where = path + "/" + kRunFile;
  RunRecord run;
  run.path = path;
  run.keys = flatten(run_file);
  if (!run_file.contains("model") || !run_file.at("model").is_object()) {
    fail("[report] {}: no [model]; expected the resolved run file that lathe train writes", where);
  }
  RunModel model;
  read_fields(run_file.at("model"), model, where);
  blaming("[report] " + where, [&] { make_plan(model); });
  run.model = model;
  run.seed = key_or<i64>(run.keys, "seed", 1, where);
  run.planned_steps = planned_steps(run_file, run.keys, run.model, where);
  // Where a budget is given, the steps follow from it: models of one budget are of one size.
  for (const char* budget : {"tokens", "flops"}) {
    if (key_or<double>(run.keys, budget, 0, where) > 0) run.keys.erase("steps");
  }
  if (key_or<std::string>(run.keys, "optimizer.kind", "adamw", where) != "spectron") {
    run.keys.erase("optimizer.spectron_lr");  // nothing reads it
  }
  run.cut = log.cut;
  std::vector<double> speeds;
  for (const StepLine& s : log.steps) {
    if (std::isfinite(s.tokens_per_s)) speeds.push_back(s.tokens_per_s);
    run.skipped_steps += s.skipped;
    run.guided_steps += std::isfinite(s.alpha);
  }
  run.tokens_per_s = median(std::move(speeds));
  if (!log.steps.empty()) {
    run.steps = log.steps.back().step;
    run.tokens = log.steps.back().tokens;
    run.flops = log.steps.back().flops;
  }
  run.curve = smoothed_curve(log.steps, kCurvePoints);
  run.validations = place_validations(log);
  run.spikes = find_spikes(log.steps);
  const bool validated = !run.validations.empty();
  run.final_loss = validated ? run.validations.back().loss : kNan;
  run.final_bits_per_byte = validated ? run.validations.back().bits_per_byte : kNan;
  return run;
}

RunRecord read_run(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) fail("[report] {}: no such run directory", path);
  for (const char* name : {kRunFile, kMetricsFile}) {
    if (!fs::is_regular_file(path + "/" + name, ignored)) {
      fail("[report] {}: holds no {}; expected a run directory, as lathe train makes it", path,
           name);
    }
  }
  const std::string metrics = path + "/" + kMetricsFile;
  return make_run_record(path, load_config(path + "/" + kRunFile),
                         parse_metrics(read_text_file(metrics), metrics));
}

}  // namespace lathe::report
