// gpt: the blocks one after another.
#include "model/topologies.h"

namespace lathe {

i64 add_gpt_stages(const ModelSpec& spec, std::vector<Stage>& stages) {
  BlocksStage blocks;
  for (i64 layer = 0; layer < spec.n_layers; ++layer) {
    blocks.blocks.push_back(make_block(spec, layer, spec.d_model, ""));
  }
  stages.push_back(std::move(blocks));
  return spec.d_model;
}

}  // namespace lathe
