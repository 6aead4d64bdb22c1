// cgpt (ConvGPT, arXiv 2404.14462): as lgpt, with a causal convolution over kernel_size positions
// in place of the linear layer. Kernel size 1 is what the original's code has, and equals lgpt.
#include "model/topologies.h"

namespace lathe {

i64 add_cgpt_stages(const ModelSpec& spec, std::vector<Stage>& stages) {
  return add_halving_stages(spec, spec.topology.kernel_size, stages);
}

}  // namespace lathe
