// Hugging Face's config.json as a spec, and back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fields.h"
#include "weights/family.h"

namespace lathe {

struct ForeignConfig {
  const FamilyRow* family;
  ModelSpec spec;
  std::vector<std::string> notes;  // what came through changed, in words for the user
};

// The config of a model of a family in the table. Error that names `where` and the key for what
// lathe cannot compute as the original does: another family, activation or scaling, dropped keys.
ForeignConfig parse_hf_config(const Json& config, const std::string& where);

// The config of a model of that family.
Json to_hf_config(const FamilyRow& family, const ModelSpec& spec);

}  // namespace lathe
