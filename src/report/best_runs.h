// Runs that try several values of a key, a learning rate say, reduced to those with the best one.
#pragma once

#include <string>
#include <vector>

#include "report/run_record.h"

namespace lathe::report {

struct BestRuns {
  std::vector<RunRecord> runs;  // in the order given
  size_t n_left_out = 0;
};

// Of runs that are alike but for their seed and `keys`, those stay that share the values with the
// most finished seeds and, among these, the least mean of final losses: the others were a search.
// Where none has a final loss all stay. Error where a run file has no such key.
BestRuns keep_best(std::vector<RunRecord> runs, const std::vector<std::string>& keys);

}  // namespace lathe::report
