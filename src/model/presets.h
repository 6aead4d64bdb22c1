// Named models of both papers: one table.
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"

namespace lathe {

bool is_preset(const std::string& name);
std::vector<std::string> preset_names();

// The spec's JSON; Error naming the nearest preset if there is none of that name.
Json preset_spec(const std::string& name);

// Tokens the model was trained on in its paper.
double preset_tokens(const std::string& name);

// What arXiv 2406.16450 prints of a model in its tables 1 and 2, at the precision printed; 0 where
// it prints nothing.
struct Published {
  const char* preset;
  double params, ffn_params, train_flops;
};
// Null where the paper prints nothing of the preset.
const Published* published_of(const std::string& preset);

// Tokens in an optimizer step in both papers: 512 × 1024.
constexpr i64 kPaperBatchTokens = 512 * 1024;

}  // namespace lathe
