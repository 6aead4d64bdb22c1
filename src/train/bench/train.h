// Timing of training steps on random tokens. No LibTorch in this header.
#pragma once

#include <string>
#include <vector>

#include "run/run_spec.h"

namespace lathe::train {

struct BenchTrainSpec {
  std::vector<std::string> models;  // presets, spec files, run files or model directories
  std::vector<std::string> overrides;
  i64 batch = 2;    // sequences of context_length a step, one micro-batch
  i64 context = 0;  // 0: the model's
  i64 steps = 5;    // timed, after two that are not
  i64 threads = 0;
  RunDevice device = RunDevice::kCpu;
  Precision precision = Precision::kAuto;
  bool recompute = false;
};

struct BenchTrainRow {
  std::string model;
  i64 params = 0;
  Precision precision = Precision::kF32;  // as resolved
  double ms = 0;                          // median of the steps
  double tokens_per_s = 0;
  double peak_share = 0;  // FLOPs of the model over the measured peak
  double loss = 0;        // of the last step
};

// The models' steps are taken in turns, one each, so that a change in the machine's speed meets all
// of them alike.
std::vector<BenchTrainRow> bench_train(const BenchTrainSpec& spec, int* threads_used);

}  // namespace lathe::train
