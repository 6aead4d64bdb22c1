// The training loop. No LibTorch in this header.
#pragma once

#include "run/run_spec.h"
#include "train/run_observer.h"

namespace lathe::train {

enum class RunEnd { kFinished, kStopped };  // stopped: because the observer asked

// Trains as `run` says, from the newest whole checkpoint with `resume`. Writes the run directory,
// tells the observer what it does, and stops when that asks: with a checkpoint of the last whole
// step, without validation. Error where the run directory already holds a run and resume is not
// set, where the data or model is another than the checkpoint's or has more steps behind it than
// `run` asks for, where weights to be saved are not finite, and on every failed write.
RunEnd run_training(const RunSpec& run, bool resume, RunObserver& observer);

}  // namespace lathe::train
