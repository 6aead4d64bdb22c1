// The training loop. No LibTorch in this header.
#pragma once

#include "run/run_spec.h"

namespace lathe::train {

enum class RunEnd { kFinished, kStopped };  // stopped: by SIGTERM, SIGINT or SIGHUP

// Trains as `run` says, from the newest whole checkpoint with `resume`. Writes the run directory;
// says what it does on stderr. A first SIGTERM, SIGINT or SIGHUP ends it with a checkpoint of the
// last whole step, without validation; a second one at once. Error where the run directory already
// holds a run and resume is not set, where the data or model is another than the checkpoint's or
// has more steps behind it than `run` asks for, where weights to be saved are not finite, and on
// every failed write.
RunEnd run_training(const RunSpec& run, bool resume);

}  // namespace lathe::train
