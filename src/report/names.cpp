#include "report/names.h"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace lathe::report {

namespace {

// "optimizer.lr" → "lr".
std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// "model.ffn_linear.rank" → "model.ffn_linear"; "" for a key of no table.
std::string table_of(const std::string& key) {
  const size_t dot = key.rfind('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

// "4e+10" rather than "40000000000.0".
std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    const std::string brief = format("{:g}", value.get<double>());
    if (std::strtod(brief.c_str(), nullptr) == value.get<double>()) return brief;
  }
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Keys with more than one value among the items; absent counts as a value.
std::set<std::string> differing_keys(const std::vector<RunKeys>& items) {
  std::set<std::string> all, differing;
  for (const RunKeys& keys : items) {
    for (const auto& [key, value] : keys) all.insert(key);
  }
  for (const std::string& key : all) {
    for (const RunKeys& keys : items) {
      const auto first = items.front().find(key), at = keys.find(key);
      const bool absent = at == keys.end(), first_absent = first == items.front().end();
      if (absent != first_absent || (!absent && at->second != first->second)) differing.insert(key);
    }
  }
  return differing;
}

// The key that says what sort of thing a table is: its name then stands for the table.
const Json* sort_of(const RunKeys& keys, const std::string& table) {
  for (const char* name : {".kind", ".mode"}) {
    const auto at = keys.find(table + name);
    if (!table.empty() && at != keys.end()) return &at->second;
  }
  return nullptr;
}

// The items whose table is of the same sort as this one's: its other keys differ among those only
// where they say something.
std::vector<RunKeys> of_same_sort(const std::vector<RunKeys>& items, const std::string& table,
                                  const Json& sort) {
  std::vector<RunKeys> same;
  for (const RunKeys& keys : items) {
    const Json* other = sort_of(keys, table);
    if (other && *other == sort) same.push_back(keys);
  }
  return same;
}

// "low_rank rank 64" for the feed-forward linears and "pgpt n_paths 2" for the topology, whose
// kinds say what they are of; "attention_linear low_rank rank 64", "self_guided fixed_flops" for
// others. The shape of a linear or topology is always said.
std::string table_text(const std::vector<RunKeys>& items, const RunKeys& keys,
                       const std::string& table, const Json& sort) {
  if (sort == "off") return "";
  const bool plain = table == "model.ffn_linear" || table == "model.topology";
  std::string text = (plain ? "" : last_part(table) + " ") + value_text(sort);
  const std::set<std::string> differing = differing_keys(of_same_sort(items, table, sort));
  for (const auto& [key, value] : keys) {
    if (table_of(key) != table || &value == &sort) continue;
    if (table.starts_with("model.") || differing.contains(key)) {
      text += " " + last_part(key) + " " + value_text(value);
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> variant_names(const std::vector<RunKeys>& items) {
  std::vector<std::string> names(items.size());
  const std::set<std::string> differing = differing_keys(items);
  for (size_t i = 0; i < items.size(); ++i) {
    std::set<std::string> said;
    for (const std::string& key : differing) {
      const std::string table = table_of(key);
      std::string part;
      const Json* sort = sort_of(items[i], table);
      // A table whose kind is everybody's is no topic, only its key is: "lr 0.001".
      const bool whole = table.starts_with("model.") || differing.contains(table + ".kind") ||
                         differing.contains(table + ".mode");
      if (sort && whole) {
        if (said.insert(table).second) part = table_text(items, items[i], table, *sort);
      } else if (const auto at = items[i].find(key); at != items[i].end()) {
        part = last_part(key) + " " + value_text(at->second);
      }
      if (!part.empty()) names[i] += (names[i].empty() ? "" : ", ") + part;
    }
  }
  return names;
}

std::vector<std::string> size_names(const std::vector<RunKeys>& items) {
  std::vector<std::string> names(items.size());
  const auto n_distinct = [&] { return std::set<std::string>(names.begin(), names.end()).size(); };
  std::set<std::string> differing = differing_keys(items);
  std::vector<std::string> order = {"model.d_model", "model.n_layers", "model.d_ff", "steps",
                                    "tokens"};
  order.insert(order.end(), differing.begin(), differing.end());
  for (const std::string& key : order) {
    if (differing.erase(key) == 0) continue;
    const std::vector<std::string> before = names;
    const size_t n_before = n_distinct();
    for (size_t i = 0; i < items.size(); ++i) {
      const auto at = items[i].find(key);
      if (at == items[i].end()) continue;
      names[i] += (names[i].empty() ? "" : " ") + last_part(key) + " " + value_text(at->second);
    }
    if (n_distinct() == std::max<size_t>(n_before, 1)) names = before;  // says nothing new
  }
  return names;
}

}  // namespace lathe::report
