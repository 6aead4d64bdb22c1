#include "run/spec_source.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "base/suggest.h"
#include "model/presets.h"
#include "run/run_directory.h"
#include "run/run_spec.h"
#include "weights/model_directory.h"

namespace lathe {

namespace fs = std::filesystem;

namespace {

// Keys that name files, relative to the file that they stand in.
constexpr struct {
  const char *section, *key;
} kFileKeys[] = {{"model", "spec"}, {"model", "init_from"}, {"teacher", "model"}};

// Those names for a file whose base that one is; `folder` is the way from there to it.
void move_file_names(Json& tree, const fs::path& folder) {
  for (const auto& [section, key] : kFileKeys) {
    const auto table = tree.is_object() ? tree.find(section) : tree.end();
    if (table == tree.end() || !table->is_object()) continue;
    const auto name = table->find(key);
    if (name == table->end() || !name->is_string() || name->get<std::string>().empty()) continue;
    const std::string file = name->get<std::string>();
    std::error_code ignored;
    if (fs::exists(file, ignored)) continue;  // seen from where we are
    *name = (folder / file).lexically_normal().string();
  }
}

}  // namespace

Json load_config_on_base(const std::string& path) {
  constexpr size_t kMostBases = 8;
  std::vector<Json> layers = {load_config(path)};
  std::string own = path;
  fs::path folder;  // from that of `path` to that of `own`
  for (;;) {
    Json& tree = layers.back();
    const auto base = tree.is_object() ? tree.find("base") : tree.end();
    if (base == tree.end() || !tree.is_object()) break;
    if (!base->is_string()) fail("{}: base is no text; expected the name of a file", own);
    const std::string name = base->get<std::string>();
    tree.erase("base");
    if (layers.size() > kMostBases) {
      fail("{}: more than {} files with a base above each other; does one name itself?", path,
           kMostBases);
    }
    const std::string next = (fs::path(own).parent_path() / name).string();
    Json below = blaming(own, [&] { return load_config(next); });
    folder /= fs::path(name).parent_path();
    move_file_names(below, folder);
    layers.push_back(std::move(below));
    own = next;
  }
  Json result = std::move(layers.back());
  for (size_t i = layers.size() - 1; i-- > 0;) merge_config(result, layers[i]);
  return result;
}

std::string path_beside(const std::string& folder, const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? path : (fs::path(folder) / path).string();
}

Json resolve_model_section(const Json& section, const std::string& folder,
                           const std::string& where) {
  if (!section.is_object()) fail("{}: [model] is no table", where);
  Json own = section;
  const auto text_of = [&](const char* key) -> std::string {
    const auto at = own.find(key);
    if (at == own.end()) return "";
    if (!at->is_string()) fail("{}: [model] {} is no text", where, key);
    return at->get<std::string>();
  };
  const std::string preset = text_of("preset"), spec = text_of("spec"),
                    init_from = text_of("init_from");
  if (!preset.empty() + !spec.empty() + !init_from.empty() > 1) {
    fail("{}: [model] has more than one of preset, spec, init_from", where);
  }
  Json base = Json::object();
  if (!preset.empty()) base = preset_spec(preset);
  if (!spec.empty()) base = load_config(path_beside(folder, spec));
  if (!init_from.empty()) {
    const std::string path = path_beside(folder, init_from);
    base = load_config(model_directory(path) + "/" + kConfigFile);
    own["init_from"] = path;
  }
  own.erase("preset");
  own.erase("spec");
  merge_config(base, own);
  return base;
}

ModelSpec load_model_spec(const std::string& source, const std::vector<std::string>& overrides) {
  std::error_code ignored;
  Json tree;
  if (is_preset(source)) {
    tree = preset_spec(source);
  } else if (fs::is_directory(source, ignored)) {
    tree = load_config(model_directory(source) + "/" + kConfigFile);
  } else if (fs::exists(source, ignored)) {
    tree = load_config_on_base(source);
  } else {
    fail("[spec] '{}' is no preset, file or model directory{}", source,
         did_you_mean(source, preset_names()));
  }
  const auto apply_overrides = [&](Json& to) {
    for (const std::string& assignment : overrides) apply_override(to, assignment);
  };
  const bool is_run = tree.is_object() && tree.contains("model") && tree.at("model").is_object();
  if (!is_run) {
    apply_overrides(tree);
    return parse_model_spec(tree, source);
  }
  Json section =
      resolve_model_section(tree.at("model"), fs::path(source).parent_path().string(), source);
  apply_overrides(section);
  RunModel model;
  read_fields(section, model, source);
  blaming(source, [&] { model.validate(); });
  return model;
}

}  // namespace lathe
