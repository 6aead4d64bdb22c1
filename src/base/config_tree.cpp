#include "base/config_tree.h"

#include <toml++/toml.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/atomic_file.h"
#include "base/utf8.h"

namespace lathe {

namespace {

constexpr int kMaxDepth = 64;  // deeper nesting is no config, and recursion must end

Json from_toml(const toml::node& node, const std::string& where, int depth) {
  if (depth > kMaxDepth) fail("{}: tables nested more than {} deep", where, kMaxDepth);
  if (const auto* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) {
      object[std::string(key.str())] = from_toml(value, where, depth + 1);
    }
    return object;
  }
  if (const auto* array = node.as_array()) {
    Json items = Json::array();
    for (const auto& value : *array) items.push_back(from_toml(value, where, depth + 1));
    return items;
  }
  if (const auto* x = node.as_boolean()) return x->get();
  if (const auto* x = node.as_integer()) return x->get();
  if (const auto* x = node.as_floating_point()) return x->get();
  if (const auto* x = node.as_string()) return x->get();
  fail("{}: dates and times have no use here", where);
}

// nlohmann's parser recurses by its own stack, not ours, but what walks the tree does recurse.
void check_depth(const std::string_view text, const std::string& where) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  if (deepest > kMaxDepth)
    fail("{}: nested {} deep, at most {} allowed", where, deepest, kMaxDepth);
}

// a.b.c = 1 nests as deep as it has dots, and toml++ frees its tables by recursion.
void check_dots(std::string_view text, const std::string& where) {
  constexpr int kMostDots = 2000;
  int dots = 0;
  for (const char c : text) {
    dots = c == '\n' ? 0 : dots + (c == '.');
    if (dots > kMostDots) fail("{}: more than {} dots in a line", where, kMostDots);
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  check_depth(text, where);
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {  // a number like 1e999 is no parse_error
    // nlohmann's messages read "[json.exception.parse_error.101] parse error at line 1, column 2:
    // …"
    std::string what = e.what();
    const size_t at = what.find("at line");
    fail("{}: not valid JSON {}", where, at == std::string::npos ? what : what.substr(at));
  }
}

Json parse_toml(std::string_view text, const std::string& where) {
  check_dots(text, where);
  try {
    return from_toml(toml::parse(text), where, 0);
  } catch (const toml::parse_error& e) {
    fail("{}: line {}, column {}: {}", where, static_cast<i64>(e.source().begin.line),
         static_cast<i64>(e.source().begin.column), std::string(e.description()));
  }
}

Json load_config(const std::string& path) {
  const std::string text = read_text_file(path);
  return path.ends_with(".toml") ? parse_toml(text, path) : parse_json(text, path);
}

void merge_config(Json& tree, const Json& over) {
  if (!over.is_object() || !tree.is_object()) {
    tree = over;
    return;
  }
  const auto kind = over.find("kind");
  if (kind != over.end() && tree.contains("kind") && tree["kind"] != *kind) {
    tree = Json::object();
  }
  for (const auto& [key, value] : over.items()) merge_config(tree[key], value);
}

namespace {

void add_leaves(const Json& tree, const std::string& prefix, FlatConfig& into) {
  for (const auto& [key, value] : tree.items()) {
    if (value.is_object()) {
      add_leaves(value, prefix + key + ".", into);
    } else {
      into[prefix + key] = value;
    }
  }
}

}  // namespace

FlatConfig flatten(const Json& tree) {
  FlatConfig flat;
  add_leaves(tree, "", flat);
  return flat;
}

namespace {

// a.b = value as {"a": {"b": value}}; `what` begins errors.
Json nested(const std::string& key, Json value, const std::string& what) {
  std::stringstream parts(key);
  std::vector<std::string> names;
  for (std::string name; std::getline(parts, name, '.');) {
    if (name.empty()) fail("{}: empty name in '{}'", what, key);
    names.push_back(name);
  }
  if (names.size() > kMaxDepth) fail("{}: more than {} names", what, kMaxDepth);
  for (size_t i = names.size(); i-- > 0;) {
    Json outer = Json::object();
    outer[names[i]] = std::move(value);
    value = std::move(outer);
  }
  return value;
}

}  // namespace

void apply_dotted(Json& tree, const Json& table, const std::string& where) {
  if (!table.is_object()) fail("{}: found {}, expected a table of keys", where, table.type_name());
  for (const auto& [key, value] : table.items()) {
    if (key.empty()) fail("{}: a key is empty", where);
    merge_config(tree, nested(key, value, where));
  }
}

void apply_override(Json& tree, const std::string& assignment) {
  if (!tree.is_object() && !tree.is_null()) {
    fail("--set {}: the file holds {}, expected a table of keys", assignment, tree.type_name());
  }
  const size_t readable = valid_utf8_prefix(assignment);
  if (readable != assignment.size()) {
    fail("--set {}: the byte after that is no UTF-8", assignment.substr(0, readable));
  }
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail("--set {}: expected key=value", assignment);
  }
  const std::string key = assignment.substr(0, equals);
  const std::string text = assignment.substr(equals + 1);
  Json value = text;
  if (text.find('\n') == std::string::npos) {
    try {
      value = parse_toml("value = " + text, "--set " + key).at("value");
    } catch (const Error&) {
      // Not a TOML value, so bare text: --set out=runs/a.
    }
  }
  merge_config(tree, nested(key, std::move(value), "--set " + assignment));
}

}  // namespace lathe
