// A comparison as JSON: for programs, and, with curves, for the page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/groups.h"

namespace lathe::report {

struct Report {
  std::vector<RunRecord> runs;
  Comparison comparison;
  std::vector<std::string> best;   // keys of which each group has the best values alone
  std::vector<std::string> notes;  // what a reader should know: left out, given twice
};

// Reads the run directories, those inside of a folder that is none, and compares them; one given
// twice is read once, and noted. Of runs that differ in their seed and the keys `best` only those
// with the best values are taken (best_runs.h). Error where there is none.
Report make_report(const std::vector<std::string>& paths, std::vector<std::string> best = {});

// {"notes", "best", "sizes", "variants", "groups", "runs", "fits"}: what `lathe report --json`
// prints. Numbers that are not there are null; groups, runs, sizes and variants refer to each other
// by index. "fits" has two rows a variant, against "train_flops" and "params".
Json report_to_json(const Report& report);

// The same, and of each run its curve, validations and spikes, of each fit the curve with its band.
Json page_data(const Report& report);

}  // namespace lathe::report
