// What may differ between the run file of a checkpoint and the one that goes on from it.
#pragma once

#include <string>
#include <vector>

#include "run/run_spec.h"

namespace lathe {

// Compares the run that wrote the checkpoint `folder` with the run that is to go on from it, key by
// key. Keys that do not touch the weights may differ (threads, output, micro-batch); those that
// make it another, still meaningful run may, and are returned as lines to say (steps, learning
// rate, schedule); any other is an Error that names the key and both values: the model, what
// decides the data order, guidance, the kind of optimizer.
std::vector<std::string> changes_on_resume(const RunSpec& stored, const RunSpec& run,
                                           const std::string& folder);

// The run as it goes on in its folder: what its file leaves open (precision "auto", threads 0) is
// what the run has chosen by its run.toml, on another machine too. Unchanged where there is no
// run.toml. Error where that is damaged.
RunSpec with_kept_choices(RunSpec run);

}  // namespace lathe
