// One run directory, read and reduced to what a report shows.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/config_tree.h"
#include "model/model_spec.h"
#include "report/curves.h"

namespace lathe::report {

struct ValidationPoint {
  i64 step = 0;
  double tokens = 0, flops = 0;  // of the update of the same step; NaN where there is none
  double loss = 0, bits_per_byte = 0;
};

// run.toml by its dotted keys.
using RunKeys = FlatConfig;

struct RunRecord {
  std::string path;  // as it was given
  RunKeys keys;
  ModelSpec model;
  i64 seed = 0;
  i64 steps = 0;          // done
  i64 planned_steps = 0;  // what the run file asks for
  double tokens = 0, flops = 0;
  double tokens_per_s = 0;                         // median over the steps
  double final_loss = 0, final_bits_per_byte = 0;  // last validation; NaN where there is none
  i64 skipped_steps = 0, guided_steps = 0;
  bool cut = false;  // its last line has no end
  std::vector<CurvePoint> curve;
  std::vector<ValidationPoint> validations;
  std::vector<Spike> spikes;

  bool finished() const { return steps >= planned_steps && !cut; }
};

// Error where `path` is no run directory, or a file in it is damaged.
RunRecord read_run(const std::string& path);

// The same from the texts of both files, which `path` names in errors.
RunRecord make_run_record(const std::string& path, const Json& run_file, const MetricsLog& log);

}  // namespace lathe::report
