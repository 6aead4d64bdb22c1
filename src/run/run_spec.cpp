#include "run/run_spec.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "data/dataset.h"
#include "run/freeze.h"
#include "run/spec_source.h"

namespace lathe {

KeyMeaning meaning_of(const std::string& key) {
  static const KeyMeanings meanings = key_meanings<RunSpec>();
  const auto found = meanings.find(key);
  if (found != meanings.end()) return found->second;
  // Keys of a kind of linear or topology, which are there only with it.
  for (const char* section :
       {"model.ffn_linear.", "model.attention_linear.", "model.linears.", "model.topology."}) {
    if (key.starts_with(section)) return kOfFactors;
  }
  return {};
}

Phases phases_of(const RunSpec& run) {
  Guide guide = run.self_guided.guide();
  if (guide.mode != GuideMode::kOff) guide.share = guided_share(make_plan(run.model), guide);
  return make_phases(run.steps, guide);
}

namespace {

// With sequences as long as they are trained: what attention costs.
Plan trained_plan(const RunSpec& run) {
  ModelSpec spec = run.model;
  spec.context_length = run.sequence_length();
  return make_plan(spec);
}

}  // namespace

double planned_flops(const RunSpec& run) {
  return training_flops(trained_plan(run), run.batch_tokens(), phases_of(run),
                        run.self_guided.guide());
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

void RunSpec::validate() const {
  model.validate();
  check_ranges(*this, "run");
  if (out.empty()) fail("[run] out is empty, expected a directory");
  if (data.global_batch % data.micro_batch) {
    fail("[run] data.micro_batch {} does not divide data.global_batch {}", data.micro_batch,
         data.global_batch);
  }
  if (data.sequence_length > model.context_length) {
    fail("[run] data.sequence_length {} is more than model.context_length {}", data.sequence_length,
         model.context_length);
  }
  if (!benchmarks.tasks.empty() && benchmarks.data.empty()) {
    fail(
        "[run] benchmarks.tasks is given and benchmarks.data is not; set it to the folder of their "
        "files");
  }
  if (self_guided.handoff == GuideHandoff::kReproject && self_guided.alpha_end == 0) {
    fail(
        "[run] self_guided.handoff = \"reproject\" changes nothing while self_guided.alpha_end is "
        "0; set it to what is left of the dense path at the end, 0.2 say");
  }
  if (tokens > 0 && flops > 0) fail("[run] both tokens and flops are given; expected one of them");
  if (begins_with_teacher() && teacher.model.empty()) {
    fail("[run] {} asks for a teacher, and teacher.model is empty; set it to a model directory",
         teacher.mode != TeacherMode::kOff ? "teacher.mode" : "self_guided.from");
  }
  if (flops > 0 && teacher.mode != TeacherMode::kOff) {
    fail("[run] flops counts no teacher; give steps or tokens where teacher.mode is not off");
  }
  if (!freeze.empty()) check_freeze(freeze, make_plan(model));
  if (optimizer.betas.size() != 2) fail("[run] optimizer.betas has not two numbers");
}

void RunSpec::resolve() {
  if (tokens > 0) {
    steps = tokens / batch_tokens();
    if (steps < 1) fail("[run] tokens is {}, and an update has {}", tokens, batch_tokens());
  }
  if (flops > 0) {
    // The most steps whose training costs no more.
    const Plan plan = trained_plan(*this);
    Guide guide = self_guided.guide();
    guide.share = guided_share(plan, guide);
    const double a_step = flops_per_step(plan, batch_tokens(), guide);
    const double affordable = std::floor(flops / a_step * (1 + 1e-12));
    if (affordable < 1) fail("[run] flops is {:.3g}, and one update costs {:.3g}", flops, a_step);
    steps = static_cast<i64>(std::min(affordable, static_cast<double>(kMostSteps)));
  }
}

RunSpec parse_run_spec(Json tree, const std::string& folder, const std::string& where) {
  if (!tree.is_object()) fail("{}: found {}, expected a table of keys", where, tree.type_name());
  tree["model"] =
      resolve_model_section(tree.contains("model") ? tree["model"] : Json::object(), folder, where);
  RunSpec run;
  read_fields(tree, run, where);
  if (!run.teacher.model.empty()) run.teacher.model = path_beside(folder, run.teacher.model);
  run.validate();
  run.resolve();
  return run;
}

RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides) {
  Json tree = path.empty() ? Json::object() : load_config_on_base(path);
  for (const std::string& assignment : overrides) apply_override(tree, assignment);
  return parse_run_spec(std::move(tree), std::filesystem::path(path).parent_path().string(),
                        path.empty() ? "--set" : path);
}

}  // namespace lathe
