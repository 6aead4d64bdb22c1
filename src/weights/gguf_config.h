// GGUF's metadata as a spec, and back.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "weights/gguf.h"
#include "weights/hf_config.h"

namespace lathe {

// The spec of a file of a family in the table. Error that names the file and the key for what lathe
// cannot compute as the original does.
ForeignConfig parse_gguf_config(const WeightSource& file, const GgufMetadata& metadata);

// The tensor by whose numbers GGUF has the frequencies of a llama3 scaling divided, (d_head / 2).
inline constexpr const char* kGgufRopeFactors = "rope_freqs.weight";
// Those numbers; none where the spec scales otherwise.
std::vector<float> rope_factors(const ModelSpec& spec);

// What to write of the model itself, in order. The tokenizer's part is another (gguf_tokenizer.h).
using GgufEntries = std::vector<std::pair<std::string, GgufValue>>;
GgufEntries to_gguf_config(const FamilyRow& family, const ModelSpec& spec);

}  // namespace lathe
