// The keys of a run by what they mean to a comparison (base/fields.h's KeyRole, beside each field):
// groups, families of sizes and dense twins follow from them.
#pragma once

#include <string>

#include "report/run_record.h"

namespace lathe::report {

// The keys that decide the result: equal for runs of one group.
RunKeys result_keys(const RunRecord& run);

// The keys of one role. As a variant, widths that grow with the model are written as shares of it
// ("1/4 d_model"), so that a family keeps its name over its sizes.
RunKeys size_keys(const RunRecord& run);
RunKeys variant_keys(const RunRecord& run);
RunKeys following_keys(const RunRecord& run);

// The keys in which a dense twin must agree: all but the linears, the guide, the topology, what
// follows the size, and the length.
RunKeys twin_keys(const RunRecord& run);

// How long it trains, as the run file puts it: steps, tokens or FLOPs.
RunKeys length_keys(const RunRecord& run);

// Whether the model is dense and trained without a guide.
bool is_dense(const RunRecord& run);

}  // namespace lathe::report
