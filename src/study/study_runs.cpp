// The runs of a study as run files, and what is there of them.
#include <cmath>
#include <filesystem>
#include <set>

#include "base/atomic_file.h"
#include "base/config_tree.h"
#include "run/metrics_log.h"
#include "run/run_directory.h"
#include "run/spec_source.h"
#include "study/study.h"

namespace lathe::study {

namespace {

namespace fs = std::filesystem;

StudyRun resolve(Json tree, const std::string& folder) {
  StudyRun run;
  run.spec = parse_run_spec(std::move(tree), folder, "[run]");
  const Plan plan = make_plan(run.spec.model);
  run.phases = phases_of(run.spec);
  run.forward_flops = forward_flops_per_token(plan, run.spec.model.context_length);
  run.train_flops = planned_flops(run.spec);
  run.params = count_params(plan).total;
  check_data(run.spec);
  return run;
}

std::string why_not(const Json& tree, const std::string& folder) {
  try {
    resolve(tree, folder);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Who is to blame that a run cannot be: the run file or a single value, where that alone fails in
// the same way; else the combination.
std::string culprit(const Study& study, const Cell& cell, const Json& base,
                    const std::string& folder, const std::string& path, const std::string& run_file,
                    const std::string& why) {
  if (why_not(base, folder) == why) return study.run.empty() ? path : run_file;
  std::string all;
  for (size_t a = 0; a < cell.values.size(); ++a) {
    const AxisValue& value = study.axes[a].values[cell.values[a]];
    const std::string name = study.axes[a].name + " " + value.name;
    all += (all.empty() ? "" : ", ") + name;
    Json tree = base;
    merge_config(tree, value.set);
    if (why_not(tree, folder) == why) return path + ": " + name;
  }
  return path + ": " + all;
}

// Keys whose values a run directory may have otherwise: they change no result, or (data.path) the
// trainer compares what is behind them.
bool may_differ(const std::string& key) {
  return key != "seed" && (meaning_of(key).role == KeyRole::kIgnored || key == "data.path");
}

void check_same(const Json& stored, const Json& own, const std::string& prefix,
                const std::string& folder) {
  for (const auto& [name, value] : own.items()) {
    const std::string key = prefix + name;
    const auto at = stored.find(name);
    if (value.is_object() && at != stored.end() && at->is_object()) {
      check_same(*at, value, key + ".", folder);
    } else if (!may_differ(key) && (at == stored.end() || *at != value)) {
      fail(
          "[study] {} is a run with {} = {}, and the study has {}; give the study another out, or "
          "remove that folder",
          folder, key, at == stored.end() ? "nothing" : at->dump(), value.dump());
    }
  }
}

}  // namespace

StudyRuns resolve_runs(const Study& study, const std::vector<Contest>& contests,
                       const std::string& path) {
  const std::string beside = fs::path(path).parent_path().string();
  const std::string run_file = study.run.empty() ? "" : path_beside(beside, study.run);
  const Json base = run_file.empty() ? Json::object()
                                     : blaming(path, [&] { return load_config_on_base(run_file); });
  const std::string folder = run_file.empty() ? beside : fs::path(run_file).parent_path().string();
  if (!base.is_object()) fail("{}: found {}, expected a table", run_file, base.type_name());
  StudyRuns runs;
  for (const Contest& contest : contests) {
    for (const Cell& cell : contest.cells) {
      Json tree = base;
      for (size_t a = 0; a < cell.values.size(); ++a) {
        merge_config(tree, study.axes[a].values[cell.values[a]].set);
      }
      StudyRun run;
      try {
        run = resolve(tree, folder);
      } catch (const Error& e) {
        fail("{}: {}", culprit(study, cell, base, folder, path, run_file, e.what()), e.what());
      }
      for (const i64 seed : study.seeds) {
        run.name = run_name(cell, seed);
        run.spec.seed = seed;
        run.spec.out = study.out + "/" + run.name;
        runs[run.name] = run;
      }
    }
  }
  return runs;
}

RunState state_of(const StudyRun& run) {
  const std::string& folder = run.spec.out;
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return RunState::kNew;
  if (!fs::is_directory(folder, ignored)) fail("[study] {} is no folder", folder);
  if (!fs::exists(folder + "/" + kRunFile, ignored)) return RunState::kStarted;
  // Read as a run file, so that a key that a newer lathe has added has its default in both.
  const RunSpec stored =
      blaming(folder, [&] { return load_run_spec(folder + "/" + kRunFile, {}); });
  RunSpec own = run.spec;
  if (own.precision == Precision::kAuto) own.precision = stored.precision;  // resolved there
  check_same(write_fields(stored), write_fields(own), "", folder);
  // A checkpoint appears by its renaming when it is whole, and the newest are never removed.
  const RunDirectory directory(folder);
  const std::vector<i64> steps = directory.steps();
  if (steps.empty() || steps.back() < run.phases.total) return RunState::kStarted;
  // Stopped after the last step, before its validation.
  const std::string state = directory.checkpoint(steps.back()) + "/" + kTrainerFile;
  if (!fs::exists(state, ignored)) return RunState::kFinished;
  const Json json = Json::parse(read_text_file(state), nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.value("finished", Json(true)) == Json(false)
             ? RunState::kStarted
             : RunState::kFinished;
}

std::vector<std::string> keys_of_best(const Study& study) {
  if (!study.best) return {};
  std::set<std::string> keys;
  for (const AxisValue& value : study.axes[*study.best].values) {
    for (const auto& [key, item] : flatten(value.set)) keys.insert(key);
  }
  return {keys.begin(), keys.end()};
}

std::optional<size_t> choose_best(std::span<const double> losses) {
  std::optional<size_t> best;
  for (size_t i = 0; i < losses.size(); ++i) {
    if (std::isfinite(losses[i]) && (!best || losses[i] < losses[*best])) best = i;
  }
  return best;
}

double final_loss_of(const StudyRun& run) {
  const std::string path = run.spec.out + "/" + kMetricsFile;
  const MetricsLog log = parse_metrics(read_text_file(path), path);
  return log.validations.empty() ? std::nan("") : log.validations.back().loss;
}

}  // namespace lathe::study
