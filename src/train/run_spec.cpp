#include "train/run_spec.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/config_tree.h"

namespace lathe::train {

std::span<const std::string_view> names_of(RunDevice) {
  static constexpr std::array<std::string_view, 2> names = {"cpu", "cuda"};
  return names;
}
std::span<const std::string_view> names_of(OptimizerKind) {
  static constexpr std::array<std::string_view, 1> names = {"adamw"};
  return names;
}
std::span<const std::string_view> names_of(Decay) {
  static constexpr std::array<std::string_view, 2> names = {"matrices", "all"};
  return names;
}
std::span<const std::string_view> names_of(ScheduleKind) {
  static constexpr std::array<std::string_view, 3> names = {"cosine", "linear", "wsd"};
  return names;
}
std::span<const std::string_view> names_of(Precision) {
  static constexpr std::array<std::string_view, 2> names = {"bf16", "f32"};
  return names;
}

void DataSpec::visit_fields(FieldVisitor& v) {
  v.field("path", path, "folders made by lathe data prepare");
  v.field("weights", weights, "share of samples a folder; empty: by their tokens");
  v.field("micro_batch", micro_batch, "sequences a forward pass");
  v.field("global_batch", global_batch, "sequences an update");
}

void OptimizerSpec::visit_fields(FieldVisitor& v) {
  v.field("kind", kind, "");
  v.field("lr", lr, "peak learning rate");
  v.field("betas", betas, "");
  v.field("eps", eps, "");
  v.field("weight_decay", weight_decay, "");
  v.field("decay", decay, "what decays: embeddings and linears, or every parameter");
  v.field("clip", clip, "largest norm of the whole gradient; 0: none");
}

void ScheduleSpec::visit_fields(FieldVisitor& v) {
  v.field("kind", kind, "");
  v.field("warmup", warmup, "share of the steps, or steps where 1 or more");
  v.field("min_lr", min_lr, "last learning rate as a share of the peak");
  v.field("cooldown", cooldown, "wsd: share of the steps, or steps, of the final decay");
}

void GuardSpec::visit_fields(FieldVisitor& v) {
  v.field("max_skips", max_skips, "stop after so many updates in a row with a loss not finite");
}

void RunSpec::visit_fields(FieldVisitor& v) {
  v.field("out", out, "run directory");
  v.field("seed", seed, "");
  v.field("steps", steps, "updates");
  v.field("tokens", tokens, "in place of steps where not 0");
  v.field("device", device, "");
  v.field("precision", precision, "of the matrix products; masters are f32");
  v.field("threads", threads, "0: what affinity and cgroup allow");
  v.field("recompute", recompute, "forget activations inside blocks and compute them again");
  v.field("checkpoint_every", checkpoint_every, "steps");
  v.field("keep_checkpoints", keep_checkpoints, "newest ones kept, beside the best");
  v.field("eval_every", eval_every, "steps; 0: at the end only");
  v.field("eval_tokens", eval_tokens, "validation tokens a time, at most");
  v.field("sample_every", sample_every, "steps; 0: none");
  v.field("sample_tokens", sample_tokens, "");
  v.field("sample_prompt", sample_prompt, "");
  v.field("log_every", log_every, "steps between lines where the output is no terminal");
  v.begin_section("model", "preset = NAME or spec = FILE, then any key of a spec");
  v.field("init_from", init_from, "model directory whose spec and weights to begin with");
  model.visit_fields(v);
  v.end_section();
  v.section("data", data, "");
  v.section("optimizer", optimizer, "");
  v.section("schedule", schedule, "");
  v.section("guard", guard, "");
}

void RunSpec::validate() {
  model.validate();
  const auto at_least = [](const char* key, i64 value, i64 least) {
    if (value < least) fail("[run] {} is {}, expected at least {}", key, value, least);
  };
  const auto between = [](const char* key, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      fail("[run] {} is {}, expected {} … {}", key, value, low, high);
    }
  };
  if (out.empty()) fail("[run] out is empty, expected a directory");
  at_least("data.micro_batch", data.micro_batch, 1);
  at_least("data.global_batch", data.global_batch, 1);
  if (data.global_batch % data.micro_batch) {
    fail("[run] data.micro_batch {} does not divide data.global_batch {}", data.micro_batch,
         data.global_batch);
  }
  at_least("tokens", tokens, 0);
  if (tokens > 0) steps = tokens / batch_tokens();
  at_least("steps", steps, 1);
  at_least("threads", threads, 0);
  at_least("checkpoint_every", checkpoint_every, 0);
  at_least("keep_checkpoints", keep_checkpoints, 1);
  at_least("eval_every", eval_every, 0);
  at_least("eval_tokens", eval_tokens, 1);
  at_least("sample_every", sample_every, 0);
  at_least("sample_tokens", sample_tokens, 0);
  at_least("log_every", log_every, 1);
  at_least("guard.max_skips", guard.max_skips, 0);
  between("optimizer.lr", optimizer.lr, 0, 100);
  between("optimizer.eps", optimizer.eps, 0, 1);
  between("optimizer.weight_decay", optimizer.weight_decay, 0, 100);
  between("optimizer.clip", optimizer.clip, 0, 1e9);
  if (optimizer.betas.size() != 2) fail("[run] optimizer.betas has not two numbers");
  for (double beta : optimizer.betas) between("optimizer.betas", beta, 0, 0.9999999);
  between("schedule.warmup", schedule.warmup, 0, 1e12);
  between("schedule.cooldown", schedule.cooldown, 0, 1e12);
  between("schedule.min_lr", schedule.min_lr, 0, 1);
}

RunSpec parse_run_spec(Json tree, const std::string& folder, const std::string& where) {
  if (!tree.is_object()) fail("{}: found {}, expected a table of keys", where, tree.type_name());
  const Json section = tree.contains("model") ? tree["model"] : Json::object();
  const Json init_from =
      section.is_object() && section.contains("init_from") ? section.at("init_from") : Json("");
  tree["model"] = resolve_model_section(section, folder, where);
  tree["model"]["init_from"] = init_from;
  RunSpec run;
  read_fields(tree, run, where);
  run.validate();
  return run;
}

RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides) {
  Json tree = path.empty() ? Json::object() : load_config(path);
  for (const std::string& assignment : overrides) apply_override(tree, assignment);
  return parse_run_spec(std::move(tree), std::filesystem::path(path).parent_path().string(),
                        path.empty() ? "--set" : path);
}

}  // namespace lathe::train
