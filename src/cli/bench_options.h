// What the benches of lathe-train have in common; each has a file of its own, and cmd_bench.cpp the
// list.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/count_ranges.h"
#include "run/run_spec.h"

namespace lathe {

struct BenchOptions {
  std::string device = "cpu", precision = "auto";
  i64 threads = 0;
  bool json = false;

  void add_to(CLI::App& app) {
    app.add_option("--threads", threads, "0: what affinity and cgroup allow")
        ->capture_default_str()
        ->check(kCount);
    app.add_option("--device", device)
        ->capture_default_str()
        ->check(CLI::IsMember({"cpu", "cuda"}));
    app.add_option("--precision", precision,
                   "auto: bf16 where the device multiplies it itself, else f32")
        ->capture_default_str()
        ->check(CLI::IsMember({"auto", "bf16", "f32"}));
    app.add_flag("--json", json, "rows as JSON");
  }
  // Into a bench's own spec.
  template <class Spec>
  void apply(Spec& spec) const {
    spec.device = device == "cuda" ? RunDevice::kCuda : RunDevice::kCpu;
    spec.precision = precision == "auto"  ? Precision::kAuto
                     : precision == "f32" ? Precision::kF32
                                          : Precision::kBf16;
    spec.threads = threads;
  }
};

// Add the subcommand; it runs when `app` has parsed its arguments.
void add_bench_ffn(CLI::App& app);
void add_bench_train(CLI::App& app);

}  // namespace lathe
