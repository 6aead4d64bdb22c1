// Counts a structured model against its dense twin: spec → plan → parameters and FLOPs.
//
//   example_count [SPEC [KEY=VALUE…]]      SPEC: a preset, spec file or model directory
//
// Without arguments it prints:
//   gpt2-s-blockshuffle32: 73.9 M parameters, of which 20.9 M in feed-forward layers
//   dense twin:            109.6 M parameters, of which 56.6 M in feed-forward layers
//   67.5 % of the parameters, 72.2 % of the FLOPs a token forward
#include <cstdio>

#include "base/error.h"
#include "model/counts.h"
#include "model/model_spec.h"
#include "run/spec_source.h"

namespace {

void print_row(const std::string& name, const lathe::ParamCount& params) {
  std::printf("%-22s %.1f M parameters, of which %.1f M in feed-forward layers\n",
              (name + ":").c_str(), static_cast<double>(params.total) / 1e6,
              static_cast<double>(params.ffn) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string source = argc > 1 ? argv[1] : "gpt2-s-blockshuffle32";
    const std::vector<std::string> overrides(argv + (argc > 1 ? 2 : 1), argv + argc);
    const lathe::ModelSpec spec = lathe::load_model_spec(source, overrides);
    // The plan has every shape resolved; all that is counted walks it.
    const lathe::Plan plan = lathe::make_plan(spec);
    const lathe::Plan dense = lathe::make_plan(lathe::dense_twin(spec));
    const lathe::ParamCount params = lathe::count_params(plan);
    const lathe::ParamCount dense_params = lathe::count_params(dense);
    print_row(source, params);
    print_row("dense twin", dense_params);
    const lathe::i64 context = spec.context_length;
    std::printf("%.1f %% of the parameters, %.1f %% of the FLOPs a token forward\n",
                100.0 * static_cast<double>(params.total) / static_cast<double>(dense_params.total),
                100.0 * lathe::forward_flops_per_token(plan, context) /
                    lathe::forward_flops_per_token(dense, context));
    return 0;
  } catch (const lathe::Error& e) {
    std::fprintf(stderr, "example_count: %s\n", e.what());
    return 1;
  }
}
