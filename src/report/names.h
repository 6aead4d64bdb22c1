// Short names for things that are tables of keys, from the keys in which they differ.
#pragma once

#include <string>
#include <vector>

#include "report/run_record.h"

namespace lathe::report {

// One name an item, from every key in which any two items differ: "block_shuffle n_blocks 4,
// self_guided fixed_flops". A table whose kind (or mode) differs is named as a whole, and a mode
// that is off not at all. Empty where nothing is left to say, as for a single item.
std::vector<std::string> variant_names(const std::vector<RunKeys>& items);

// One name an item, from the fewest keys that tell the items apart, the most telling first:
// "d_model 256", "d_model 256 n_layers 12". Empty for a single item.
std::vector<std::string> size_names(const std::vector<RunKeys>& items);

}  // namespace lathe::report
