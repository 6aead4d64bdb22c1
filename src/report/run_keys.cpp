#include "report/run_keys.h"

#include <numeric>

namespace lathe::report {

namespace {

struct KeyRow {
  std::string_view key;
  KeyRole role;
};

constexpr KeyRow kKeys[] = {
    {"seed", KeyRole::kIgnored},
    {"out", KeyRole::kIgnored},
    {"device", KeyRole::kIgnored},
    {"threads", KeyRole::kIgnored},
    {"recompute", KeyRole::kIgnored},
    {"checkpoint_every", KeyRole::kIgnored},
    {"keep_checkpoints", KeyRole::kIgnored},
    {"eval_every", KeyRole::kIgnored},
    {"sample_every", KeyRole::kIgnored},
    {"sample_tokens", KeyRole::kIgnored},
    {"sample_prompt", KeyRole::kIgnored},
    {"log_every", KeyRole::kIgnored},
    {"guard.max_skips", KeyRole::kIgnored},
    {"data.micro_batch", KeyRole::kIgnored},  // the update is the same sum
    {"model.d_model", KeyRole::kSize},
    {"model.n_layers", KeyRole::kSize},
    {"model.d_ff", KeyRole::kSize},
    {"model.n_heads", KeyRole::kSize},
    {"model.d_head", KeyRole::kSize},
    {"steps", KeyRole::kSize},
    {"tokens", KeyRole::kSize},
    {"flops", KeyRole::kSize},
    {"optimizer.lr", KeyRole::kFollows},
    {"optimizer.spectron_lr", KeyRole::kFollows},
    {"data.global_batch", KeyRole::kFollows},
    {"schedule.warmup", KeyRole::kFollows},
    {"schedule.cooldown", KeyRole::kFollows},
    {"self_guided.share", KeyRole::kFollows},
    {"model.init_std", KeyRole::kFollows},
};

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

RunKeys keys_of_role(const RunRecord& run, KeyRole role) {
  RunKeys keys;
  for (const auto& [key, value] : run.keys) {
    if (role_of(key) == role) keys[key] = value;
  }
  return keys;
}

bool is_length(std::string_view key) { return key == "steps" || key == "tokens" || key == "flops"; }

bool starts_with_any(const std::string& key, std::initializer_list<std::string_view> prefixes) {
  for (const std::string_view prefix : prefixes) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

KeyRole role_of(const std::string& key) {
  for (const KeyRow& row : kKeys) {
    if (key == row.key) return row.role;
  }
  return KeyRole::kVariant;
}

RunKeys result_keys(const RunRecord& run) {
  RunKeys keys = run.keys;
  std::erase_if(keys, [](const auto& item) { return role_of(item.first) == KeyRole::kIgnored; });
  return keys;
}

RunKeys size_keys(const RunRecord& run) { return keys_of_role(run, KeyRole::kSize); }
RunKeys following_keys(const RunRecord& run) { return keys_of_role(run, KeyRole::kFollows); }

RunKeys variant_keys(const RunRecord& run) {
  RunKeys keys = keys_of_role(run, KeyRole::kVariant);
  write_as_share(keys, "model.ffn_linear.rank", run.model.d_model, "d_model");
  write_as_share(keys, "model.attention_linear.rank", run.model.d_model, "d_model");
  write_as_share(keys, "model.n_kv_heads", run.model.n_heads, "n_heads");
  return keys;
}

RunKeys length_keys(const RunRecord& run) {
  RunKeys keys = run.keys;
  std::erase_if(keys, [](const auto& item) { return !is_length(item.first); });
  return keys;
}

RunKeys twin_keys(const RunRecord& run) {
  RunKeys keys = result_keys(run);
  std::erase_if(keys, [](const auto& item) {
    return role_of(item.first) == KeyRole::kFollows || is_length(item.first) ||
           starts_with_any(item.first, {"model.ffn_linear.", "model.attention_linear.",
                                        "model.dense_ffn_layers", "model.topology.", "self_guided.",
                                        "init", "optimizer.factor_"});  // the last two: of factors
  });
  return keys;
}

bool is_dense(const RunRecord& run) {
  const auto mode = run.keys.find("self_guided.mode");
  return run.model.ffn_linear.kind == LinearKind::kDense &&
         run.model.attention_linear.kind == LinearKind::kDense &&
         (mode == run.keys.end() || mode->second == "off");
}

}  // namespace lathe::report
