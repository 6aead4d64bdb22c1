// The training loop. No LibTorch in this header.
#pragma once

#include "core/run_spec.h"

namespace lathe::train {

enum class RunEnd { kFinished, kStopped };  // stopped: by SIGTERM or SIGINT, after a checkpoint

// Trains as `run` says, from the newest whole checkpoint with `resume`. Writes the run directory;
// says what it does on stderr. Error where the run directory already holds a run and resume is not
// set, where the data or model is another than the checkpoint's, and on every failed write.
RunEnd run_training(const RunSpec& run, bool resume);

}  // namespace lathe::train
