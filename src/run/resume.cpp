#include "run/resume.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace lathe::train {

namespace {

enum class Change { kFree, kSaid };

// A key, or a section with everything in it. What no row names may not change.
struct Rule {
  std::string_view key;
  Change change;
};
constexpr Rule kRules[] = {
    {"out", Change::kFree},
    {"device", Change::kFree},
    {"threads", Change::kFree},
    {"recompute", Change::kFree},
    {"checkpoint_every", Change::kFree},
    {"keep_checkpoints", Change::kFree},
    {"eval_every", Change::kFree},
    {"eval_tokens", Change::kFree},
    {"sample_every", Change::kFree},
    {"sample_tokens", Change::kFree},
    {"sample_prompt", Change::kFree},
    {"log_every", Change::kFree},
    {"guard", Change::kFree},
    {"model.init_from", Change::kFree},   // where the first weights came from
    {"data.path", Change::kFree},         // what is in it is compared by its fingerprint
    {"data.micro_batch", Change::kFree},  // the same samples, summed in another order
    {"precision", Change::kSaid},
    {"steps", Change::kSaid},
    {"flops", Change::kSaid},
    {"tokens", Change::kSaid},
    {"optimizer.lr", Change::kSaid},
    {"optimizer.betas", Change::kSaid},
    {"optimizer.eps", Change::kSaid},
    {"optimizer.weight_decay", Change::kSaid},
    {"optimizer.decay", Change::kSaid},
    {"optimizer.clip", Change::kSaid},
    {"schedule", Change::kSaid},
};

// Every value that is no object, by its dotted key.
void flatten(const Json& tree, const std::string& prefix,
             std::map<std::string, std::string>& into) {
  for (const auto& [key, value] : tree.items()) {
    if (value.is_object()) {
      flatten(value, prefix + key + ".", into);
    } else {
      into[prefix + key] = value.dump();
    }
  }
}

const Rule* rule_of(const std::string& key) {
  for (const Rule& rule : kRules) {
    if (key == rule.key || key.starts_with(std::string(rule.key) + ".")) return &rule;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> changes_on_resume(const RunSpec& stored, const RunSpec& run,
                                           const std::string& folder) {
  std::map<std::string, std::string> before, now;
  flatten(write_fields(stored), "", before);
  flatten(write_fields(run), "", now);
  std::set<std::string> keys;
  for (const auto* side : {&before, &now}) {
    for (const auto& [key, value] : *side) keys.insert(key);
  }
  const auto value_in = [](const std::map<std::string, std::string>& side, const std::string& key) {
    const auto found = side.find(key);
    return found == side.end() ? std::string("nothing") : found->second;
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
    const Rule* rule = rule_of(key);
    if (!rule) {
      fail("[run] {} was trained with {} = {}, and the run file has {}; start another run for that",
           folder, key, was, is);
    }
    if (rule->change == Change::kSaid) {
      said.push_back(format("[run] {} was {} up to here and is {} from now on", key, was, is));
    }
  }
  return said;
}

RunSpec with_kept_choices(RunSpec run) {
  const std::string file = run.out + "/run.toml";
  std::error_code ignored;
  const bool open = run.precision == Precision::kAuto || run.threads == 0;
  if (!open || !std::filesystem::exists(file, ignored)) return run;
  const RunSpec stored = load_run_spec(file, {});
  if (run.precision == Precision::kAuto) run.precision = stored.precision;
  if (run.threads == 0) run.threads = stored.threads;
  return run;
}

}  // namespace lathe::train
