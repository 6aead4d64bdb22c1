// What a prepared folder holds, against what its dataset.json says.
#pragma once

#include <string>

#include "base/fields.h"

namespace lathe {

// {"tokenizer", "vocab_size", "fingerprint"} where there is a dataset.json, and "train" and "val",
// each null or
// {"tokens", "shards", "max_id"} and, described, {"documents", "bytes", "bytes_per_token"}. Reads
// every token. Error where the folder holds no shards, or others than it says.
Json inspect_dataset(const std::string& dir);

}  // namespace lathe
