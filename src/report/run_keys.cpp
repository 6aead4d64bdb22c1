#include "report/run_keys.h"

#include <algorithm>
#include <numeric>

#include "run/run_spec.h"

namespace lathe::report {

namespace {

// part / whole in lowest terms, and what of: "1/4 d_model"; "1/1" is left away.
std::string share_of(i64 part, i64 whole, const char* name) {
  const i64 divisor = std::max<i64>(std::gcd(part, whole), 1);
  const i64 top = part / divisor, bottom = whole / divisor;
  if (bottom == 1) return top == 1 ? name : format("{} {}", top, name);
  return format("{}/{} {}", top, bottom, name);
}

// Whole numbers only: run.toml has been read into a ModelSpec, so the keys of [model] are.
void write_as_share(RunKeys& keys, const char* key, i64 whole, const char* name) {
  const auto at = keys.find(key);
  if (at == keys.end() || !at->second.is_number_integer()) return;
  at->second = share_of(at->second.get<i64>(), whole, name);
}

RunKeys keys_of(const RunRecord& run, std::initializer_list<KeyRole> roles) {
  RunKeys keys;
  for (const auto& [key, value] : run.keys) {
    const KeyRole role = meaning_of(key).role;
    if (std::find(roles.begin(), roles.end(), role) != roles.end()) keys[key] = value;
  }
  return keys;
}

}  // namespace

RunKeys result_keys(const RunRecord& run) {
  return keys_of(run, {KeyRole::kVariant, KeyRole::kSize, KeyRole::kLength, KeyRole::kFollows,
                       KeyRole::kStructure});
}

RunKeys size_keys(const RunRecord& run) { return keys_of(run, {KeyRole::kSize, KeyRole::kLength}); }
RunKeys length_keys(const RunRecord& run) { return keys_of(run, {KeyRole::kLength}); }
RunKeys following_keys(const RunRecord& run) { return keys_of(run, {KeyRole::kFollows}); }
RunKeys twin_keys(const RunRecord& run) {
  return keys_of(run, {KeyRole::kVariant, KeyRole::kSize});
}

RunKeys variant_keys(const RunRecord& run) {
  RunKeys keys = keys_of(run, {KeyRole::kVariant, KeyRole::kStructure});
  write_as_share(keys, "model.ffn_linear.rank", run.model.d_model, "d_model");
  write_as_share(keys, "model.attention_linear.rank", run.model.d_model, "d_model");
  write_as_share(keys, "model.n_kv_heads", run.model.n_heads, "n_heads");
  // There may be hundreds: a name says how many.
  std::erase_if(keys, [](const auto& entry) { return entry.first.starts_with("model.linears."); });
  if (!run.model.linears.empty()) keys["model.linears"] = run.model.linears.size();
  return keys;
}

bool is_dense(const RunRecord& run) {
  const auto mode = run.keys.find("self_guided.mode");
  return run.model.ffn_linear.kind == LinearKind::kDense &&
         run.model.attention_linear.kind == LinearKind::kDense &&
         std::all_of(run.model.linears.begin(), run.model.linears.end(),
                     [](const auto& own) { return own.second.kind == LinearKind::kDense; }) &&
         (mode == run.keys.end() || mode->second == "off");
}

}  // namespace lathe::report
