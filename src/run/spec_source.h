// Where a model spec comes from: SPEC of the command line, and [model] of a run file.
#pragma once

#include <string>
#include <vector>

#include "model/model_spec.h"

namespace lathe {

// SPEC of the command line: a preset's name, a spec file, a run file (its [model]), or a model
// directory; --set overrides on top. Does not look at weights.
ModelSpec load_model_spec(const std::string& source, const std::vector<std::string>& overrides);

// The same before the overrides are applied and the fields read.
Json load_model_spec_json(const std::string& source);

// A path of a config in `folder`: as it is where that exists, else inside the folder.
std::string path_beside(const std::string& folder, const std::string& path);

// [model] of a run file: preset = or spec = or neither, then any spec key. `folder` is where a
// relative spec file is looked for.
Json resolve_model_section(const Json& section, const std::string& folder,
                           const std::string& where);

}  // namespace lathe
