#include "report/best_runs.h"

#include "base/suggest.h"
#include "report/groups.h"
#include "report/run_keys.h"
#include "run/run_spec.h"

namespace lathe::report {

namespace {

// Every key is one of a run file, be it one that these runs have no use for.
void check_keys(const std::vector<RunRecord>& runs, const std::vector<std::string>& keys) {
  RunKeys known = flatten(write_fields(RunSpec{}));
  for (const RunRecord& run : runs) known.insert(run.keys.begin(), run.keys.end());
  for (const std::string& key : keys) {
    if (known.contains(key)) continue;
    std::vector<std::string_view> names;
    std::string near;
    for (const auto& [name, value] : known) {
      names.push_back(name);
      if (name.ends_with("." + key)) near = name;  // its table was left away
    }
    if (near.empty()) near = nearest_name(key, names);
    fail("[report] best: no run has a key '{}'{}", key, did_you_mean(near));
  }
}

// Whether the losses of `a` are the better choice than those of `b`.
bool better(const MeanError& a, const MeanError& b) {
  return a.n != b.n ? a.n > b.n : a.mean < b.mean;
}

}  // namespace

BestRuns keep_best(std::vector<RunRecord> runs, const std::vector<std::string>& keys) {
  check_keys(runs, keys);
  // Alike but for the keys → their values → indices of runs.
  std::map<RunKeys, std::map<RunKeys, std::vector<size_t>>> searches;
  for (size_t i = 0; i < runs.size(); ++i) {
    RunKeys common = result_keys(runs[i]), own;
    for (const std::string& key : keys) {
      if (auto node = common.extract(key)) own.insert(std::move(node));
    }
    searches[std::move(common)][std::move(own)].push_back(i);
  }
  std::vector<bool> kept(runs.size(), false);
  for (const auto& [common, values] : searches) {
    const std::vector<size_t>* best = nullptr;
    MeanError best_loss;
    for (const auto& [value, members] : values) {
      std::vector<double> losses;
      for (const size_t i : members) {
        if (runs[i].finished()) losses.push_back(runs[i].final_loss);
      }
      const MeanError loss = mean_and_error(losses);
      if (loss.n > 0 && (!best || better(loss, best_loss))) {
        best = &members;
        best_loss = loss;
      }
    }
    for (const auto& [value, members] : values) {
      for (const size_t i : members) kept[i] = !best || &members == best;
    }
  }
  BestRuns result;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (kept[i]) result.runs.push_back(std::move(runs[i]));
  }
  result.n_left_out = runs.size() - result.runs.size();
  return result;
}

}  // namespace lathe::report
