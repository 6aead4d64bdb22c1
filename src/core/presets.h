// Named models of both papers: one table.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace lathe {

bool is_preset(const std::string& name);
std::vector<std::string> preset_names();

// The spec's JSON; Error naming the nearest preset if there is none of that name.
Json preset_spec(const std::string& name);

// Tokens the model was trained on in its paper.
double preset_tokens(const std::string& name);

// Tokens in an optimizer step in both papers: 512 × 1024.
constexpr i64 kPaperBatchTokens = 512 * 1024;

}  // namespace lathe
