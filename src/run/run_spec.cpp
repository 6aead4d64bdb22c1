#include "run/run_spec.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "data/dataset.h"
#include "run/spec_source.h"

namespace lathe {

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
  v.field("eps", eps, "of Adam's denominator, above 0");
  v.field("weight_decay", weight_decay, "");
  v.field("decay", decay, "what decays: embeddings and linears, or every parameter");
  v.field("clip", clip, "largest norm of the whole gradient; 0: none");
  v.field("factor_lr", factor_lr, "rates of factors: all lr, or by the shape of their blocks");
  v.field("factor_decay", factor_decay, "of factors: each one, or the product they stand for");
  v.field("spectron_lr", spectron_lr, "spectron: largest spectral norm of a product's change");
}

void ScheduleSpec::visit_fields(FieldVisitor& v) {
  v.field("kind", kind, "");
  v.field("warmup", warmup, "share of the steps, or steps where 1 or more");
  v.field("min_lr", min_lr, "last learning rate as a share of the peak");
  v.field("cooldown", cooldown, "wsd: share of the steps, or steps, of the final decay");
}

void SelfGuidedSpec::visit_fields(FieldVisitor& v) {
  v.field("mode", mode,
          "a dense path beside structured linears at first: off; fixed_steps; or "
          "fixed_flops, which goes on until as much is spent as on the dense model");
  v.field("share", share, "of the steps that are guided; 0: half, or what fixed_flops asks for");
  v.field("schedule", schedule, "of alpha, the weight of the dense path");
  v.field("stochastic", stochastic,
          "when the dense path is computed: always; or with probability "
          "alpha, mixed (paper) or in place of the factors (unbiased)");
  v.field("alpha_end", alpha_end, "alpha at the end of the guided steps");
  v.field("handoff", handoff, "at that end: keep the factors, or reproject the mixture onto them");
}

void GuardSpec::visit_fields(FieldVisitor& v) {
  v.field("max_skips", max_skips, "stop after so many updates in a row with a loss not finite");
}

void RunSpec::visit_fields(FieldVisitor& v) {
  v.field("out", out, "run directory");
  v.field("seed", seed, "");
  v.field("steps", steps, "updates");
  v.field("tokens", tokens, "in place of steps where not 0");
  v.field("flops", flops, "in place of steps where not 0: what training costs, guidance included");
  v.field("init", init,
          "of factors: the paper's; spectral: nearest to a normal matrix; or "
          "orthogonal, dense feed-forward layers too");
  v.field("device", device, "");
  v.field("precision", precision,
          "of the matrix products; masters are f32; auto: bf16 where the device multiplies it "
          "itself, else f32");
  v.field("threads", threads, "0: what affinity and cgroup allow, or one where that is faster");
  v.field("recompute", recompute, "forget activations inside blocks and compute them again");
  v.field("checkpoint_every", checkpoint_every, "steps");
  v.field("keep_checkpoints", keep_checkpoints, "newest ones kept, beside the best");
  v.field("eval_every", eval_every, "steps; 0: at the end only");
  v.field("eval_tokens", eval_tokens,
          "validation tokens a time, at most; whole windows of the context");
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
  v.section("self_guided", self_guided, "");
  v.section("guard", guard, "");
}

namespace {

double mean_alpha(const SelfGuidedSpec& guided) { return (1 + guided.alpha_end) / 2; }

// G as a share of the steps.
double guided_share(const RunSpec& run, const Plan& plan) {
  const SelfGuidedSpec& guided = run.self_guided;
  if (guided.mode == GuideMode::kOff) return 0;
  if (guide_weights(plan) == 0) {
    fail(
        "[run] self_guided.mode is set, and every linear of the model is dense; set "
        "model.ffn_linear.kind, or self_guided.mode = \"off\"");
  }
  if (guided.share > 0) return guided.share;
  if (guided.mode == GuideMode::kFixedSteps) return 0.5;
  const double share = matching_guide_share(plan, guided.stochastic, mean_alpha(guided));
  if (!(share > 0 && share <= 1)) {
    fail(
        "[run] self_guided: as much as the dense model costs is reached with {:.3g} guided steps a "
        "step, expected 0 … 1: more than the run has; set self_guided.share",
        share);
  }
  return share;
}

// What training costs a step on new batches, the guide and repeated batches included.
double flops_per_step(const RunSpec& run, const Plan& plan, double share) {
  const double own = forward_flops_per_token(plan, run.model.context_length);
  const double longer = run.self_guided.mode == GuideMode::kFixedFlops ? 1 + share : 1;
  const double guide =
      share * guide_flops_per_token(plan, run.self_guided.stochastic, mean_alpha(run.self_guided));
  return 3 * static_cast<double>(run.batch_tokens()) * (longer * own + guide);
}

// The most steps whose training costs no more than run.flops.
i64 steps_for_flops(const RunSpec& run) {
  const Plan plan = make_plan(run.model);
  const double a_step = flops_per_step(run, plan, guided_share(run, plan));
  const double steps = std::floor(run.flops / a_step * (1 + 1e-12));
  if (steps < 1) fail("[run] flops is {:.3g}, and one update costs {:.3g}", run.flops, a_step);
  return static_cast<i64>(std::min(steps, static_cast<double>(kMostSteps)));
}

}  // namespace

Phases phases_of(const RunSpec& run) {
  Phases phases{.steps = run.steps, .guided = 0, .total = run.steps};
  if (run.self_guided.mode == GuideMode::kOff) return phases;
  const double share = guided_share(run, make_plan(run.model));
  phases.guided = static_cast<i64>(share * static_cast<double>(run.steps));
  if (run.self_guided.mode == GuideMode::kFixedFlops) phases.total += phases.guided;
  return phases;
}

double planned_flops(const RunSpec& run) {
  const Phases phases = phases_of(run);
  const auto steps = static_cast<double>(phases.steps);
  const Plan plan = make_plan(run.model);
  return steps * flops_per_step(run, plan, static_cast<double>(phases.guided) / steps);
}

void check_data(const RunSpec& run) {
  if (run.data.path.empty()) {
    fail("[run] data.path is empty, expected a folder made by 'lathe data prepare'");
  }
  if (!run.data.weights.empty() && run.data.weights.size() != run.data.path.size()) {
    fail("[run] data.weights has {} numbers for {} folders of data.path", run.data.weights.size(),
         run.data.path.size());
  }
  for (const std::string& folder : run.data.path) {
    const DatasetInfo info = load_dataset_info(folder);
    if (info.vocab_size > run.model.vocab_size) {
      fail(
          "[run] {} was prepared with a vocabulary of {}, and model.vocab_size is {}; set it to at "
          "least {}",
          folder, info.vocab_size, run.model.vocab_size, info.vocab_size);
    }
  }
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
  between("data.global_batch", static_cast<double>(data.global_batch), 1, 1e9);
  if (data.global_batch % data.micro_batch) {
    fail("[run] data.micro_batch {} does not divide data.global_batch {}", data.micro_batch,
         data.global_batch);
  }
  at_least("tokens", tokens, 0);
  between("flops", flops, 0, 1e30);
  if (!(self_guided.share >= 0 && self_guided.share <= 1)) {
    fail(
        "[run] self_guided.share is {}, expected 0 … 1: the guided steps as a share of the run's, "
        "no "
        "more than there are",
        self_guided.share);
  }
  between("self_guided.alpha_end", self_guided.alpha_end, 0, 0.999);
  if (self_guided.handoff == GuideHandoff::kReproject && self_guided.alpha_end == 0) {
    fail(
        "[run] self_guided.handoff = \"reproject\" changes nothing while self_guided.alpha_end is "
        "0; "
        "set it to what is left of the dense path at the end, 0.2 say");
  }
  if (tokens > 0 && flops > 0) fail("[run] both tokens and flops are given; expected one of them");
  if (tokens > 0) steps = tokens / batch_tokens();
  if (flops > 0) steps = steps_for_flops(*this);
  at_least("steps", steps, 1);
  between("steps", static_cast<double>(steps), 1, static_cast<double>(kMostSteps));
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
  // In f32 a smaller one is lost, and a weight whose gradient was always 0 becomes 0 / 0.
  between("optimizer.eps", optimizer.eps, 1e-30, 1);
  between("optimizer.weight_decay", optimizer.weight_decay, 0, 100);
  between("optimizer.clip", optimizer.clip, 0, 1e9);
  between("optimizer.spectron_lr", optimizer.spectron_lr, 0, 1);
  if (optimizer.betas.size() != 2) fail("[run] optimizer.betas has not two numbers");
  for (double beta : optimizer.betas) between("optimizer.betas", beta, 0, 0.9999999);
  between("schedule.warmup", schedule.warmup, 0, 1e12);
  between("schedule.cooldown", schedule.cooldown, 0, 1e12);
  between("schedule.min_lr", schedule.min_lr, 0, 1);
}

RunSpec parse_run_spec(Json tree, const std::string& folder, const std::string& where) {
  if (!tree.is_object()) fail("{}: found {}, expected a table of keys", where, tree.type_name());
  const Json section = tree.contains("model") ? tree["model"] : Json::object();
  const std::string init_from =
      section.is_object() && section.contains("init_from") && section.at("init_from").is_string()
          ? section.at("init_from").get<std::string>()
          : "";  // what is no text is refused below
  tree["model"] = resolve_model_section(section, folder, where);
  tree["model"]["init_from"] = init_from.empty() ? "" : path_beside(folder, init_from);
  RunSpec run;
  read_fields(tree, run, where);
  run.validate();
  return run;
}

RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides) {
  Json tree = path.empty() ? Json::object() : load_config_on_base(path);
  for (const std::string& assignment : overrides) apply_override(tree, assignment);
  return parse_run_spec(std::move(tree), std::filesystem::path(path).parent_path().string(),
                        path.empty() ? "--set" : path);
}

}  // namespace lathe
