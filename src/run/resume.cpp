#include "run/resume.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/config_tree.h"
#include "run/run_directory.h"

namespace lathe {

std::vector<std::string> changes_on_resume(const RunSpec& stored, const RunSpec& run,
                                           const std::string& folder) {
  const FlatConfig before = flatten(write_fields(stored)), now = flatten(write_fields(run));
  std::set<std::string> keys;
  for (const auto* side : {&before, &now}) {
    for (const auto& [key, value] : *side) keys.insert(key);
  }
  const auto value_in = [](const FlatConfig& side, const std::string& key) {
    const auto found = side.find(key);
    return found == side.end() ? std::string("nothing") : found->second.dump();
  };
  std::vector<std::string> said;
  const i64 guided = phases_of(stored).guided, guided_now = phases_of(run).guided;
  if (stored.self_guided.mode == run.self_guided.mode && guided != guided_now) {
    fail(
        "[run] {} was trained with {} guided steps, and the run file has {}, since the number of "
        "steps "
        "is another; set self_guided.share so that they are the same, or start another run",
        folder, guided, guided_now);
  }
  for (const std::string& key : keys) {
    const std::string was = value_in(before, key), is = value_in(now, key);
    if (was == is) continue;
    switch (meaning_of(key).on_resume) {
      case OnResume::kRefused:
        fail(
            "[run] {} was trained with {} = {}, and the run file has {}; start another run for "
            "that",
            folder, key, was, is);
      case OnResume::kSaid:
        said.push_back(format("[run] {} was {} up to here and is {} from now on", key, was, is));
        break;
      case OnResume::kFree:
        break;
    }
  }
  return said;
}

RunSpec with_kept_choices(RunSpec run) {
  const std::string file = run.out + "/" + kRunFile;
  std::error_code ignored;
  const bool open = run.precision == Precision::kAuto || run.threads == 0;
  if (!open || !std::filesystem::exists(file, ignored)) return run;
  const RunSpec stored = load_run_spec(file, {});
  if (run.precision == Precision::kAuto) run.precision = stored.precision;
  if (run.threads == 0) run.threads = stored.threads;
  return run;
}

}  // namespace lathe
