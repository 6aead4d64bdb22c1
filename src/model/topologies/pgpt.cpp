// pgpt (ParallelGPT, arXiv 2404.14462): n_paths stacks of n_layers / n_paths blocks side by side,
// each behind an entry projection with bias; their outputs are averaged with learned weights.
#include "model/topologies.h"

namespace lathe {

i64 add_pgpt_stages(const ModelSpec& spec, std::vector<Stage>& stages) {
  const i64 n_paths = spec.topology.n_paths;
  LATHE_CHECK(n_paths >= 1);  // one path is what is left of a model after the others are dropped
  if (spec.n_layers % n_paths) {
    fail("[spec] topology.n_paths {} does not divide n_layers {}", n_paths, spec.n_layers);
  }
  const i64 depth = spec.n_layers / n_paths;
  ForkStage fork;
  for (i64 p = 0; p < n_paths; ++p) {
    PathSpec path;
    path.name = format("paths.{}", p);
    path.entry = {.in = spec.d_model, .out = spec.d_model, .bias = true};
    for (i64 layer = p * depth; layer < (p + 1) * depth; ++layer) {
      path.blocks.push_back(make_block(spec, layer, spec.d_model, path.name + "."));
    }
    fork.paths.push_back(std::move(path));
  }
  stages.push_back(std::move(fork));
  return spec.d_model;
}

}  // namespace lathe
