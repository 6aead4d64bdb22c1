#include "run/spec_source.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "base/suggest.h"
#include "model/presets.h"
#include "run/run_directory.h"
#include "weights/model_directory.h"

namespace lathe {

namespace fs = std::filesystem;

std::string path_beside(const std::string& folder, const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? path : (fs::path(folder) / path).string();
}

Json resolve_model_section(const Json& section, const std::string& folder,
                           const std::string& where) {
  if (!section.is_object()) fail("{}: [model] is no table", where);
  Json own = section;
  Json base = Json::object();
  const auto take = [&](const char* key) {
    std::string value;
    if (const auto at = own.find(key); at != own.end()) {
      if (!at->is_string()) fail("{}: [model] {} is no text", where, key);
      value = at->get<std::string>();
      own.erase(key);
    }
    return value;
  };
  const std::string preset = take("preset"), spec = take("spec"), init_from = take("init_from");
  if (!preset.empty() + !spec.empty() + !init_from.empty() > 1) {
    fail("{}: [model] has more than one of preset, spec, init_from", where);
  }
  if (!preset.empty()) base = preset_spec(preset);
  if (!spec.empty()) base = load_config(path_beside(folder, spec));
  if (!init_from.empty()) {
    base = load_config(model_directory(path_beside(folder, init_from)) + "/" + kConfigFile);
  }
  merge_config(base, own);
  return base;
}

Json load_model_spec_json(const std::string& source) {
  if (is_preset(source)) return preset_spec(source);
  std::error_code ignored;
  if (fs::is_directory(source, ignored)) {
    return load_config(model_directory(source) + "/" + kConfigFile);
  }
  if (!fs::exists(source, ignored)) {
    fail("[spec] '{}' is no preset, file or model directory{}", source,
         did_you_mean(source, preset_names()));
  }
  const Json tree = load_config_on_base(source);
  if (tree.is_object() && tree.contains("model") && tree.at("model").is_object()) {
    return resolve_model_section(tree.at("model"), fs::path(source).parent_path().string(), source);
  }
  return tree;
}

ModelSpec load_model_spec(const std::string& source, const std::vector<std::string>& overrides) {
  Json tree = load_model_spec_json(source);
  for (const std::string& assignment : overrides) apply_override(tree, assignment);
  return parse_model_spec(tree, source);
}

}  // namespace lathe
