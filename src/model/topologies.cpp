#include "model/topologies.h"

namespace lathe {

namespace {

constexpr Topology kTopologies[] = {
    {TopologyKind::kGpt, false, false, false, add_gpt_stages},
    {TopologyKind::kPgpt, true, false, false, add_pgpt_stages},
    {TopologyKind::kLgpt, false, true, false, add_lgpt_stages},
    {TopologyKind::kCgpt, false, true, true, add_cgpt_stages},
};
static_assert(one_row_each(kTopologies, &Topology::kind));

}  // namespace

const Topology& topology(TopologyKind kind) { return kTopologies[static_cast<size_t>(kind)]; }

}  // namespace lathe
