#include "run/freeze.h"

#include <algorithm>

#include "base/error.h"
#include "base/suggest.h"
#include "model/tensor_list.h"

namespace lathe {

namespace {

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == part.npos;
}

// What could be meant by a pattern: the names, with * for a number in them, and what begins them.
std::vector<std::string> likely_patterns(const std::vector<std::string>& names) {
  std::vector<std::string> patterns;
  for (const std::string& name : names) {
    std::string exact, general;
    for (size_t begin = 0; begin <= name.size();) {
      const size_t end = std::min(name.find('.', begin), name.size());
      const std::string part = name.substr(begin, end - begin);
      exact += part;
      general += is_number(part) ? "*" : part;
      const std::string rest = end < name.size() ? ".*" : "";
      for (const std::string& pattern : {exact + rest, general + rest}) patterns.push_back(pattern);
      if (end < name.size()) {
        exact += '.';
        general += '.';
      }
      begin = end + 1;
    }
  }
  std::sort(patterns.begin(), patterns.end());
  patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
  return patterns;
}

}  // namespace

bool matches_pattern(std::string_view name, std::string_view pattern) {
  // Where the last * stands, and how much of the name it has taken: more where what follows fails.
  size_t star = pattern.npos, taken = 0, n = 0, p = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

bool is_frozen(std::string_view name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_pattern(name, pattern); });
}

void check_freeze(const std::vector<std::string>& patterns, const Plan& plan) {
  std::vector<std::string> names;
  for (const TensorInfo& info : tensor_list(plan)) names.push_back(info.name);
  const bool all = std::all_of(names.begin(), names.end(),
                               [&](const std::string& name) { return is_frozen(name, patterns); });
  if (all) fail("[run] freeze leaves none of the {} tensors to train", names.size());
  for (const TensorInfo& info : guide_list(plan)) names.push_back(info.name);
  for (const std::string& pattern : patterns) {
    const bool any = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return matches_pattern(name, pattern);
    });
    if (any) continue;
    fail("[run] freeze: '{}' matches no tensor of the model{}", pattern,
         did_you_mean(pattern, likely_patterns(names)));
  }
}

}  // namespace lathe
