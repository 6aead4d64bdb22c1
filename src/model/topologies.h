// The table of topologies: which options it takes, and how it becomes a plan.
#pragma once

#include "model/plan.h"

namespace lathe {

struct Topology {
  TopologyKind kind;
  bool takes_paths, takes_stages, takes_kernel;
  // Appends the stages between embedding and final norm; returns the width they end with.
  i64 (*add_stages)(const ModelSpec& spec, std::vector<Stage>& stages);
};

const Topology& topology(TopologyKind kind);

// One a file in model/topologies/.
i64 add_gpt_stages(const ModelSpec& spec, std::vector<Stage>& stages);
i64 add_pgpt_stages(const ModelSpec& spec, std::vector<Stage>& stages);
i64 add_lgpt_stages(const ModelSpec& spec, std::vector<Stage>& stages);
i64 add_cgpt_stages(const ModelSpec& spec, std::vector<Stage>& stages);
// Shared by lgpt and cgpt: after every blocks_per_stage blocks the width is halved.
i64 add_halving_stages(const ModelSpec& spec, i64 kernel_size, std::vector<Stage>& stages);

}  // namespace lathe
