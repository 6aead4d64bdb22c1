// A study: training runs over the product of some axes and seeds. What the study file says, which
// runs that makes, and what of them is there. Nothing here starts a run.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/run_spec.h"

namespace lathe::study {

struct AxisValue {
  std::string name;
  Json set;  // keys of a run file, dotted or not
  // Axis → the values beside which this one is wanted; an axis that is absent: all of them.
  std::map<std::string, std::vector<std::string>> only;
};

struct Axis {
  std::string name;
  std::vector<AxisValue> values;
};

struct Study {
  std::string out;  // every run is out/NAME
  std::string run;  // run file that all begin with, beside the study file; may be empty
  std::vector<i64> seeds = {1};
  std::vector<Axis> axes;
  std::optional<size_t> best;  // index of the axis of which only the best value gets every seed
};

// Pure. Error naming `where`, and the axis and value.
Study parse_study(std::string_view toml, const std::string& where);

// One value of each axis, and the runs that it stands for.
struct Cell {
  std::string name;            // the values' names, joined by "-"; empty without axes
  std::vector<size_t> values;  // one index an axis
};

// Cells that differ in the `best` axis alone; without one, a single cell. In the order of the axes.
struct Contest {
  std::string name;  // of what its cells have in common
  std::vector<Cell> cells;
};
std::vector<Contest> study_contests(const Study& study);

std::string run_name(const Cell& cell, i64 seed);

// How many runs there are in the end, those of a contest's best value once.
size_t count_runs(const Study& study, const std::vector<Contest>& contests);

struct StudyRun {
  std::string name;
  RunSpec spec;
  Phases phases;
  double forward_flops = 0, train_flops = 0;
  i64 params = 0;
};

// Every run by its name, resolved and checked, those of all values of the `best` axis included.
// `path` is the study file's. Error naming it, the run file or the axis value, and the key.
using StudyRuns = std::map<std::string, StudyRun>;
StudyRuns resolve_runs(const Study& study, const std::vector<Contest>& contests,
                       const std::string& path);

enum class RunState { kNew, kStarted, kFinished };
constexpr auto names_of(RunState) { return enum_names<RunState>("new", "started", "finished"); }

// What the run directory holds. Error where it is of a run with other settings, by any key that
// changes the result.
RunState state_of(const StudyRun& run);

// The keys of a run file that the values of the `best` axis set, dotted; none without that axis.
std::vector<std::string> keys_of_best(const Study& study);

// The index of the least loss, the first of equals; those not finite never win.
std::optional<size_t> choose_best(std::span<const double> losses);

// The last validation loss of a finished run, NaN where it has none.
double final_loss_of(const StudyRun& run);

}  // namespace lathe::study
