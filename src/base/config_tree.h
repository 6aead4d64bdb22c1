// Config files as JSON trees: JSON and TOML in, --set overrides on top.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"

namespace lathe {

// Parsers of outside text; `where` names it in errors (line and column follow).
Json parse_json(std::string_view text, const std::string& where);
Json parse_toml(std::string_view text, const std::string& where);

// A file by its ending: .toml, else JSON.
Json load_config(const std::string& path);

// The leaves of a table of tables by their dotted keys; lists are leaves.
using FlatConfig = std::map<std::string, Json>;
FlatConfig flatten(const Json& tree);

// Applies "dotted.key=value" to the tree; the value is read as TOML (8, 1e-3, true, [0, 1]), and as
// text where it is no TOML value. An override that changes an object's "kind" drops the object's
// other keys, since they belong to the former kind.
void apply_override(Json& tree, const std::string& assignment);

// Lays a table of keys on the tree, each key dotted or not, by merge_config. Error naming `where`.
void apply_dotted(Json& tree, const Json& table, const std::string& where);

// Lays `over` on `tree`, key by key, with the same rule for "kind".
void merge_config(Json& tree, const Json& over);

}  // namespace lathe
