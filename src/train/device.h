// The device a run is on.
#pragma once

#include "run/precision.h"
#include "run/run_spec.h"
#include "train/torch.h"

namespace lathe::train {

// Error where the machine or this LibTorch has no such device. Sets LibTorch's thread count (0:
// what affinity and cgroup allow).
at::Device open_device(RunDevice device, i64 threads);

// choose_precision() for this CPU, or for the GPU, which open_device() has found.
PrecisionChoice open_precision(Precision asked, RunDevice device);

// FLOP/s of a large matrix product in that dtype on the device, measured now (a fraction of a
// second): the peak that metrics quote shares of.
double measured_peak_flops(at::Device device, at::ScalarType dtype);

// Waits for all work on the device.
void synchronize(at::Device device);

}  // namespace lathe::train
