// Where a model spec comes from: SPEC of the command line, and [model] of a run file.
#pragma once

#include <string>
#include <vector>

#include "model/model_spec.h"

namespace lathe {

// SPEC of the command line: a preset's name, a spec file, a run file (its [model]), or a model
// directory; --set overrides on top. Does not look at weights.
ModelSpec load_model_spec(const std::string& source, const std::vector<std::string>& overrides);

// A config file, laid on the file that its key `base` names: relative to it, itself perhaps with a
// base. Files that [model] of a base names stay those beside the base.
Json load_config_on_base(const std::string& path);

// A path of a config in `folder`: as it is where that exists, else inside the folder.
std::string path_beside(const std::string& folder, const std::string& path);

// [model] of a run file on what it begins with: preset = or spec = or init_from = or nothing, then
// any key of RunModel. `folder` is where relative names are looked for.
Json resolve_model_section(const Json& section, const std::string& folder,
                           const std::string& where);

}  // namespace lathe
