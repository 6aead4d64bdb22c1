// What the benches of lathe-train have in common; each has a file of its own, and cmd_bench.cpp the
// list.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/choices.h"
#include "cli/count_ranges.h"
#include "run/run_spec.h"

namespace lathe {

struct BenchOptions {
  RunDevice device = RunDevice::kCpu;
  Precision precision = Precision::kAuto;
  i64 threads = 0;
  bool json = false;

  void add_to(CLI::App& app) {
    app.add_option("--threads", threads, "0: what affinity and cgroup allow")
        ->capture_default_str()
        ->check(kCount);
    add_choice(app, "--device", device, "");
    add_choice(app, "--precision", precision,
               "auto: bf16 where the device multiplies it itself, else f32");
    app.add_flag("--json", json, "rows as JSON");
  }
  // Into a bench's own spec.
  template <class Spec>
  void apply(Spec& spec) const {
    spec.device = device;
    spec.precision = precision;
    spec.threads = threads;
  }
};

// Add the subcommand; it runs when `app` has parsed its arguments.
void add_bench_ffn(CLI::App& app);
void add_bench_train(CLI::App& app);

}  // namespace lathe
