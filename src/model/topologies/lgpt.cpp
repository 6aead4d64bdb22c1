// lgpt (LinearGPT, arXiv 2404.14462): after every blocks_per_stage blocks a linear layer halves the
// width, so that norm and head work at d_model / 2^⌊n_layers / blocks_per_stage⌋.
#include "model/topologies.h"

namespace lathe {

i64 add_halving_stages(const ModelSpec& spec, i64 kernel_size, std::vector<Stage>& stages) {
  const i64 per_stage = spec.topology.blocks_per_stage;
  i64 width = spec.d_model;
  BlocksStage blocks;
  for (i64 layer = 0; layer < spec.n_layers; ++layer) {
    blocks.blocks.push_back(make_block(spec, layer, width, ""));
    if ((layer + 1) % per_stage) continue;
    if (width % 2) {
      fail("[spec] the width {} after block {} cannot be halved; d_model {} must divide by 2^{}",
           width, layer, spec.d_model, spec.n_layers / per_stage);
    }
    stages.push_back(std::move(blocks));
    blocks = {};
    stages.push_back(
        ProjectStage{format("projections.{}", layer / per_stage), width, width / 2, kernel_size});
    width /= 2;
  }
  if (!blocks.blocks.empty()) stages.push_back(std::move(blocks));
  return width;
}

i64 add_lgpt_stages(const ModelSpec& spec, std::vector<Stage>& stages) {
  return add_halving_stages(spec, 1, stages);
}

}  // namespace lathe
