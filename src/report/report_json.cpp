#include "report/report_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "report/best_runs.h"
#include "run/run_directory.h"

namespace lathe::report {

namespace {

constexpr size_t kMostSpikesDrawn = 500;  // a run; all are counted

Json number(double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); }

// Six digits: more than a screen shows, and half the bytes.
Json brief(double x) {
  return std::isfinite(x) ? Json(std::strtod(format("{:.6g}", x).c_str(), nullptr)) : Json(nullptr);
}

Json mean_json(const MeanError& m) {
  return {{"mean", number(m.mean)}, {"error", number(m.error)}, {"n", m.n}};
}

Json run_json(const Report& report, size_t index) {
  const RunRecord& run = report.runs[index];
  const auto& groups = report.comparison.groups;
  const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
    return std::find(g.runs.begin(), g.runs.end(), index) != g.runs.end();
  });
  return {{"path", run.path},
          {"group", group - groups.begin()},
          {"seed", run.seed},
          {"finished", run.finished()},
          {"steps", run.steps},
          {"planned_steps", run.planned_steps},
          {"tokens", number(run.tokens)},
          {"train_flops", number(run.flops)},
          {"tokens_per_s", number(run.tokens_per_s)},
          {"final_loss", number(run.final_loss)},
          {"final_bits_per_byte", number(run.final_bits_per_byte)},
          {"n_spikes", run.spikes.size()},
          {"skipped_steps", run.skipped_steps},
          {"guided_steps", run.guided_steps}};
}

// The values that were chosen.
Json best_json(const Report& report, const Group& g) {
  Json values = Json::object();
  for (const std::string& key : report.best) {
    const RunKeys& keys = report.runs[g.runs.front()].keys;
    const auto at = keys.find(key);
    values[key] = at == keys.end() ? Json(nullptr) : at->second;
  }
  return values;
}

Json group_json(const Report& report, const Group& g) {
  return {{"name", g.name},
          {"variant", g.variant},
          {"size", g.size},
          {"best", best_json(report, g)},
          {"runs", g.runs},
          {"n_finished", g.finished.size()},
          {"params", g.params},
          {"ffn_params", g.ffn_params},
          {"ffn_share_of_dense", number(g.ffn_share)},
          {"forward_flops_per_token", number(g.forward_flops)},
          {"train_flops", number(g.flops)},
          {"tokens", number(g.tokens)},
          {"tokens_per_s", number(g.tokens_per_s)},
          {"loss", mean_json(g.loss)},
          {"bits_per_byte", mean_json(g.bits_per_byte)},
          {"dense_group", g.dense ? Json(*g.dense) : Json(nullptr)},
          {"gap_to_dense", mean_json(g.gap)}};
}

Json parameter_json(const ScalingFit& fit, double PowerLaw::*parameter) {
  const auto bounds = parameter_interval(fit, parameter);
  return {{"value", number((*fit.law).*parameter)},
          {"low", bounds ? number(bounds->low) : Json(nullptr)},
          {"high", bounds ? number(bounds->high) : Json(nullptr)}};
}

Json fit_json(const ScalingFit& fit, size_t variant, const char* against) {
  Json json = {{"variant", variant},
               {"against", against},
               {"n_runs", fit.n_points},
               {"n_sizes", fit.n_sizes},
               {"why_not", fit.law ? Json(nullptr) : Json(fit.why_not)}};
  if (!fit.law) return json;
  json["log_error"] = number(fit.log_error);
  json["n_resamples"] = fit.resampled.size();
  json["a"] = parameter_json(fit, &PowerLaw::a);
  json["b"] = parameter_json(fit, &PowerLaw::b);
  json["c"] = parameter_json(fit, &PowerLaw::c);
  return json;
}

// Rows [x, loss, low, high] from the least x to twice the largest.
Json fit_curve(const ScalingFit& fit, double least, double most) {
  constexpr int kPoints = 40;
  Json rows = Json::array();
  for (int i = 0; i <= kPoints; ++i) {
    const double x = least * std::pow(2 * most / least, static_cast<double>(i) / kPoints);
    const auto band = loss_interval(fit, x);
    rows.push_back({brief(x), brief(fit.law->at(x)), band ? brief(band->low) : Json(nullptr),
                    band ? brief(band->high) : Json(nullptr)});
  }
  return rows;
}

void add_curves(const RunRecord& run, Json& json) {
  Json curve = Json::array(), validations = Json::array(), spikes = Json::array();
  for (const CurvePoint& p : run.curve) {
    curve.push_back({p.step, brief(p.tokens), brief(p.flops), brief(p.loss), brief(p.alpha)});
  }
  for (const ValidationPoint& p : run.validations) {
    validations.push_back({p.step, brief(p.tokens), brief(p.flops), brief(p.loss)});
  }
  for (size_t i = 0; i < std::min(run.spikes.size(), kMostSpikesDrawn); ++i) {
    const Spike& s = run.spikes[i];
    spikes.push_back({s.step, brief(s.tokens), brief(s.flops), brief(s.loss), brief(s.median)});
  }
  json["curve"] = curve;
  json["validations"] = validations;
  json["spikes"] = spikes;
}

void note_left_out(Report& report) {
  for (const RunRecord& run : report.runs) {
    if (!run.finished()) {
      report.notes.push_back(
          format("{} is unfinished: step {} of {}{}; drawn, but left out of means and fits",
                 run.path, run.steps, run.planned_steps, run.cut ? ", its last line is cut" : ""));
    } else if (!std::isfinite(run.final_loss)) {
      report.notes.push_back(format(
          "{} has no final validation loss; left out of means of losses and fits", run.path));
    }
  }
}

void note_same_seeds(Report& report) {
  for (const Group& group : report.comparison.groups) {
    std::map<i64, std::string> seeds;
    for (const size_t i : group.finished) {
      const RunRecord& run = report.runs[i];
      const auto [at, is_new] = seeds.try_emplace(run.seed, run.path);
      if (!is_new) {
        report.notes.push_back(
            format("{} and {} are the same run with the same seed {}; both "
                   "count, and the standard error is too small",
                   at->second, run.path, run.seed));
      }
    }
  }
}

}  // namespace

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// A folder that holds runs, a study's say, stands for those that have written something.
std::vector<std::string> runs_at(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const auto is_run = [&](const fs::path& folder) {
    return fs::exists(folder / kRunFile, ignored) && fs::exists(folder / kMetricsFile, ignored);
  };
  std::vector<std::string> runs;
  if (!fs::exists(fs::path(path) / kRunFile, ignored)) {
    for (const auto& entry : fs::directory_iterator(path, ignored)) {
      if (is_run(entry.path())) runs.push_back(entry.path().string());
    }
  }
  std::sort(runs.begin(), runs.end());
  if (runs.empty()) runs.push_back(path);  // a run, or an Error that says what it lacks
  return runs;
}

}  // namespace

Report make_report(const std::vector<std::string>& given, std::vector<std::string> best) {
  Report report;
  report.best = std::move(best);
  std::vector<std::string> paths;
  for (const std::string& path : given) {
    for (std::string& run : runs_at(path)) paths.push_back(std::move(run));
  }
  std::map<std::string, std::string> seen;  // canonical path → as given
  for (const std::string& path : paths) {
    std::error_code ignored;
    const std::string real = std::filesystem::weakly_canonical(path, ignored).string();
    const auto [at, is_new] = seen.try_emplace(real.empty() ? path : real, path);
    if (is_new) {
      report.runs.push_back(read_run(path));
    } else {
      report.notes.push_back(format("{} was given twice and counts once{}", path,
                                    path == at->second ? "" : " (also as " + at->second + ")"));
    }
  }
  if (!report.best.empty()) {
    BestRuns kept = keep_best(std::move(report.runs), report.best);
    report.runs = std::move(kept.runs);
    if (kept.n_left_out > 0) {
      report.notes.push_back(
          format("{} with other values of {} than the best left out",
                 kept.n_left_out == 1 ? "1 run" : format("{} runs", kept.n_left_out),
                 joined(report.best)));
    }
  }
  report.comparison = compare(report.runs);
  note_left_out(report);
  note_same_seeds(report);
  return report;
}

Json report_to_json(const Report& report) {
  const Comparison& c = report.comparison;
  Json json;
  json["notes"] = report.notes;
  json["best"] = report.best;
  json["sizes"] = c.sizes;
  json["variants"] = Json::array();
  json["groups"] = Json::array();
  json["runs"] = Json::array();
  json["fits"] = Json::array();
  for (const Variant& v : c.variants) json["variants"].push_back(v.name);
  for (const Group& g : c.groups) json["groups"].push_back(group_json(report, g));
  for (size_t i = 0; i < report.runs.size(); ++i) json["runs"].push_back(run_json(report, i));
  for (size_t v = 0; v < c.variants.size(); ++v) {
    json["fits"].push_back(fit_json(c.variants[v].by_flops, v, "train_flops"));
    json["fits"].push_back(fit_json(c.variants[v].by_params, v, "params"));
  }
  return json;
}

Json page_data(const Report& report) {
  const Comparison& c = report.comparison;
  Json json = report_to_json(report);
  for (size_t i = 0; i < report.runs.size(); ++i) add_curves(report.runs[i], json["runs"][i]);
  for (Json& row : json["fits"]) {
    const Variant& variant = c.variants[row["variant"].get<size_t>()];
    const bool flops = row["against"] == "train_flops";
    const ScalingFit& fit = flops ? variant.by_flops : variant.by_params;
    if (!fit.law) continue;
    double least = 0, most = 0;
    for (const size_t g : variant.groups) {
      const double x = flops ? c.groups[g].flops : static_cast<double>(c.groups[g].params);
      if (c.groups[g].loss.n == 0 || !(x > 0)) continue;
      least = least > 0 ? std::min(least, x) : x;
      most = std::max(most, x);
    }
    row["curve"] = fit_curve(fit, least, most);
  }
  return json;
}

}  // namespace lathe::report
