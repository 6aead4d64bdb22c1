// Timing of one feed-forward layer alone: every structured kind against dense, as the paper's
// efficiency figures do. No LibTorch in this header.
#pragma once

#include <string>
#include <vector>

#include "run/run_spec.h"

namespace lathe::train {

struct BenchFfnSpec {
  std::vector<i64> widths = {2048};  // the inner width is four times that
  std::vector<i64> tokens = {2048};
  std::vector<std::string> kinds = {"low_rank", "block_dense", "block_shuffle"};
  i64 repeats = 9;  // timed, after two that are not
  i64 threads = 0;
  RunDevice device = RunDevice::kCpu;
  Precision precision = Precision::kAuto;
  bool guided = false;  // also steps with self-guided training's dense matrix beside each linear
};

struct BenchFfnRow {
  i64 width = 0, tokens = 0;
  std::string kind;
  i64 share = 100;  // the paper's name for the setting: percent of dense parameters, about
  i64 rank = 0, blocks = 0;
  Precision precision = Precision::kF32;  // as resolved
  i64 params = 0;                         // with biases
  double forward_ms = 0, step_ms = 0;     // medians; a step is forward and backward, no optimizer
  double forward_speed = 1, step_speed = 1;  // times dense
  double limit = 1;                          // the same, if FLOPs were all that counts
  double forward_peak_share = 0, step_peak_share = 0;
  double step_mib = 0;  // the most that LibTorch held during a step beyond weights and gradients
  // With `guided`: a step with guidance, and how much longer that takes than one without, over the
  // time of the guides' own products (one in the forward, two in the backward).
  double guided_ms = 0, guidance_cost = 0;
};

// For every width and number of tokens, dense first. All variants take turns, on inputs that are
// new each time, so that neither caches nor a change in the machine's speed favour one.
std::vector<BenchFfnRow> bench_ffn(const BenchFfnSpec& spec, int* threads_used);

}  // namespace lathe::train
