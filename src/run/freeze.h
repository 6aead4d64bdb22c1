// Which tensors a run leaves as they are: patterns of their names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/plan.h"

namespace lathe {

// Whether the whole of `name` is what `pattern` says, in which * stands for any run of characters,
// none too: "blocks.*.attention.*".
bool matches_pattern(std::string_view name, std::string_view pattern);

// Whether one of them matches.
bool is_frozen(std::string_view name, const std::vector<std::string>& patterns);

// Error for a pattern that matches no tensor of the plan and no guide of it, naming the nearest
// one that would, and where nothing is left to train.
void check_freeze(const std::vector<std::string>& patterns, const Plan& plan);

}  // namespace lathe
