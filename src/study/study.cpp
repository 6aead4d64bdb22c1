#include "study/study.h"

#include <algorithm>
#include <set>

#include "base/config_tree.h"
#include "base/suggest.h"

namespace lathe::study {

namespace {

constexpr size_t kMostRuns = 10'000;

const char* const kOwnKeys[] = {"out", "run", "seeds", "axes", "best"};

struct Head {
  std::string out, run, best;
  std::vector<i64> seeds = {1};
  std::vector<std::string> axes;
  void visit_fields(FieldVisitor& v) {
    v.field("out", out, "");
    v.field("run", run, "");
    v.field("seeds", seeds, "");
    v.field("axes", axes, "");
    v.field("best", best, "");
  }
};

// What becomes a part of a folder's name.
void check_name(const std::string& name, const std::string& where) {
  const bool good = !name.empty() && name.front() != '.' && name.size() <= 60 &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '_';
                    });
  if (!good) {
    fail("{}: the name '{}' is none; expected letters, digits, '_' and '.', no '.' in front", where,
         name);
  }
}

std::vector<std::string> texts(const Json& list, const std::string& where) {
  std::vector<std::string> result;
  if (!list.is_array()) fail("{} is {}, expected a list of names", where, list.type_name());
  for (const Json& item : list) {
    if (!item.is_string()) fail("{} is no list of names in quotes", where);
    result.push_back(item.get<std::string>());
  }
  return result;
}

AxisValue parse_value(const Json& table, const std::string& axis, const std::string& where) {
  const std::string any = format("{}: [[{}]]", where, axis);
  if (!table.is_object()) fail("{}: found {}, expected a table", any, table.type_name());
  const auto name = table.find("name");
  if (name == table.end() || !name->is_string()) fail("{}: a value has no name in quotes", any);
  AxisValue value;
  value.name = name->get<std::string>();
  check_name(value.name, any);
  const std::string own = format("{}: {} {}", where, axis, value.name);
  value.set = Json::object();
  for (const auto& [key, item] : table.items()) {
    if (key == "set") {
      apply_dotted(value.set, item, own + ": set");
    } else if (key == "only") {
      if (!item.is_object()) fail("{}: only is no table of axes", own);
      for (const auto& [other, names] : item.items()) {
        value.only[other] = texts(names, format("{}: only.{}", own, other));
      }
    } else if (key != "name") {
      fail("{}: unknown key '{}'{}; known here: name, set, only", own, key,
           did_you_mean(key, {"name", "set", "only"}));
    }
  }
  for (const char* key : {"out", "seed"}) {
    if (value.set.contains(key)) fail("{}: set has {}, which the study itself sets", own, key);
  }
  return value;
}

std::vector<std::string> names_of_values(const Axis& axis) {
  std::vector<std::string> names;
  for (const AxisValue& value : axis.values) names.push_back(value.name);
  return names;
}

std::vector<std::string> names_of_axes(const Study& study) {
  std::vector<std::string> names;
  for (const Axis& axis : study.axes) names.push_back(axis.name);
  return names;
}

size_t index_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// Every `only` names axes and values that there are.
void check_only(const Study& study, const std::string& where) {
  const std::vector<std::string> axes = names_of_axes(study);
  for (const Axis& axis : study.axes) {
    for (const AxisValue& value : axis.values) {
      for (const auto& [other, names] : value.only) {
        const std::string own = format("{}: {} {}: only.{}", where, axis.name, value.name, other);
        const size_t at = index_of(axes, other);
        if (at == axes.size()) fail("{}: no such axis{}", own, did_you_mean(other, axes));
        const std::vector<std::string> known = names_of_values(study.axes[at]);
        for (const std::string& name : names) {
          if (index_of(known, name) == known.size()) {
            fail("{}: {} has no value '{}'{}", own, other, name, did_you_mean(name, known));
          }
        }
      }
    }
  }
}

Axis parse_axis(const Json& tree, const std::string& name, const std::string& where) {
  Axis axis{name, {}};
  const auto list = tree.find(name);
  if (list == tree.end() || !list->is_array() || list->empty()) {
    fail("{}: axes has '{}', and there is no [[{}]] with its values", where, name, name);
  }
  std::set<std::string> seen;
  for (const Json& table : *list) {
    axis.values.push_back(parse_value(table, name, where));
    const std::string& value = axis.values.back().name;
    if (!seen.insert(value).second) fail("{}: {} has two values '{}'", where, name, value);
  }
  return axis;
}

bool wanted(const Study& study, const std::vector<size_t>& values) {
  for (size_t a = 0; a < values.size(); ++a) {
    for (const auto& [other, names] : study.axes[a].values[values[a]].only) {
      const size_t b = index_of(names_of_axes(study), other);
      const std::string& beside = study.axes[b].values[values[b]].name;
      if (index_of(names, beside) == names.size()) return false;
    }
  }
  return true;
}

// The values' names, without the axis `left_out`.
std::string joined_name(const Study& study, const std::vector<size_t>& values,
                        std::optional<size_t> left_out) {
  std::string name;
  for (size_t a = 0; a < values.size(); ++a) {
    if (a == left_out) continue;
    name += (name.empty() ? "" : "-") + study.axes[a].values[values[a]].name;
  }
  return name;
}

Head parse_head(Json& tree, const std::string& where) {
  Json own = Json::object();
  for (const char* key : kOwnKeys) {
    if (const auto at = tree.find(key); at != tree.end()) {
      own[key] = *at;
      tree.erase(key);
    }
  }
  Head head;
  read_fields(own, head, where);
  if (head.out.empty()) fail("{}: 'out' is missing; expected the folder for the runs", where);
  if (head.seeds.empty()) fail("{}: 'seeds' is empty, expected at least one", where);
  const std::set<i64> seeds(head.seeds.begin(), head.seeds.end());
  if (seeds.size() != head.seeds.size()) fail("{}: 'seeds' has one twice", where);
  if (*seeds.begin() < 0) fail("{}: 'seeds' has {}, expected 0 or more", where, *seeds.begin());
  return head;
}

}  // namespace

Study parse_study(std::string_view toml, const std::string& where) {
  Json tree = parse_toml(toml, where);
  Head head = parse_head(tree, where);
  Study study{head.out, head.run, head.seeds, {}, {}};
  size_t product = head.seeds.size();
  for (const std::string& name : head.axes) {
    for (const char* key : kOwnKeys) {
      if (name == key) fail("{}: axes has '{}', a key of the study itself", where, name);
    }
    if (index_of(names_of_axes(study), name) < study.axes.size()) {
      fail("{}: axes has '{}' twice", where, name);
    }
    study.axes.push_back(parse_axis(tree, name, where));
    product *= study.axes.back().values.size();
    if (product > kMostRuns) fail("{}: more than {} runs", where, kMostRuns);
  }
  const std::vector<std::string> names = names_of_axes(study);
  for (const auto& [key, value] : tree.items()) {
    if (index_of(names, key) < names.size()) continue;
    std::vector<std::string> known = names;
    known.insert(known.end(), std::begin(kOwnKeys), std::end(kOwnKeys));
    fail("{}: '{}' is neither a key of a study nor in axes{}", where, key,
         did_you_mean(key, known));
  }
  if (!head.best.empty()) {
    study.best = index_of(names, head.best);
    if (study.best == names.size()) {
      fail("{}: best is '{}', which is not in axes{}", where, head.best,
           did_you_mean(head.best, names));
    }
  }
  check_only(study, where);
  if (study_contests(study).empty()) fail("{}: 'only' leaves no run", where);
  return study;
}

std::vector<Contest> study_contests(const Study& study) {
  std::vector<Contest> contests;
  std::map<std::vector<size_t>, size_t> place;  // by the values of the other axes
  std::vector<size_t> values(study.axes.size(), 0);
  for (;;) {
    if (wanted(study, values)) {
      std::vector<size_t> key = values;
      if (study.best) key[*study.best] = 0;
      const auto [at, is_new] = place.try_emplace(key, contests.size());
      if (is_new) contests.push_back({joined_name(study, values, study.best), {}});
      contests[at->second].cells.push_back({joined_name(study, values, {}), values});
    }
    // The next one, the last axis first.
    size_t a = values.size();
    while (a > 0 && ++values[a - 1] == study.axes[a - 1].values.size()) values[--a] = 0;
    if (a == 0) return contests;
  }
}

std::string run_name(const Cell& cell, i64 seed) {
  return cell.name + (cell.name.empty() ? "s" : "-s") + std::to_string(seed);
}

size_t count_runs(const Study& study, const std::vector<Contest>& contests) {
  size_t n = 0;
  for (const Contest& contest : contests) n += contest.cells.size() + study.seeds.size() - 1;
  return n;
}

}  // namespace lathe::study
