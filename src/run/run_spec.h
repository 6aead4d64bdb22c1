// A run file: everything about a training run. Every key has a default; `lathe train
// --print-config` shows them.
#pragma once

#include "model/model_spec.h"
#include "run/training_cost.h"

namespace lathe {

constexpr i64 kMostSteps = 1'000'000'000'000'000;

enum class RunDevice { kCpu, kCuda };
enum class OptimizerKind { kAdamw, kSpectron };
enum class Decay { kMatrices, kAll };
enum class ScheduleKind { kCosine, kLinear, kWsd };
enum class Precision { kAuto, kBf16, kF32 };  // auto: see run/precision.h
enum class InitKind { kPaper, kSpectral, kOrthogonal };
enum class FactorRate { kUniform, kStructureAware };
enum class FactorDecay { kPlain, kFrobenius };
enum class GuideSchedule { kCosine, kLinear };
enum class GuideHandoff { kKeep, kReproject };
enum class GuideStart { kProduct, kTeacher };
enum class TeacherMode { kOff, kLogits, kBlocks };
constexpr auto names_of(RunDevice) { return enum_names<RunDevice>("cpu", "cuda"); }
constexpr auto names_of(OptimizerKind) { return enum_names<OptimizerKind>("adamw", "spectron"); }
constexpr auto names_of(Decay) { return enum_names<Decay>("matrices", "all"); }
constexpr auto names_of(ScheduleKind) {
  return enum_names<ScheduleKind>("cosine", "linear", "wsd");
}
constexpr auto names_of(Precision) { return enum_names<Precision>("auto", "bf16", "f32"); }
constexpr auto names_of(InitKind) {
  return enum_names<InitKind>("paper", "spectral", "orthogonal");
}
constexpr auto names_of(FactorRate) { return enum_names<FactorRate>("uniform", "structure_aware"); }
constexpr auto names_of(FactorDecay) { return enum_names<FactorDecay>("plain", "frobenius"); }
constexpr auto names_of(GuideSchedule) { return enum_names<GuideSchedule>("cosine", "linear"); }
constexpr auto names_of(GuideStart) { return enum_names<GuideStart>("product", "teacher"); }
constexpr auto names_of(TeacherMode) { return enum_names<TeacherMode>("off", "logits", "blocks"); }
constexpr auto names_of(GuideHandoff) { return enum_names<GuideHandoff>("keep", "reproject"); }

// What most keys that do not touch the weights are.
inline constexpr KeyMeaning kAside{.on_resume = OnResume::kFree, .role = KeyRole::kIgnored};
// What may become another on the way, and is compared.
inline constexpr KeyMeaning kAdjustable{.on_resume = OnResume::kSaid};
inline constexpr KeyMeaning kAdjustableFollows{.on_resume = OnResume::kSaid,
                                               .role = KeyRole::kFollows};
inline constexpr KeyMeaning kRunLength{.on_resume = OnResume::kSaid, .role = KeyRole::kLength};
inline constexpr KeyMeaning kOfFactors{.role = KeyRole::kStructure};

// [model]: a spec, and what its weights begin with.
struct RunModel : ModelSpec {
  std::string init_from;
  void visit_fields(FieldVisitor& v) {
    v.field("init_from", init_from, "model directory whose spec and weights to begin with",
            {.on_resume = OnResume::kFree});
    ModelSpec::visit_fields(v);
  }
};

struct DataSpec {
  std::vector<std::string> path;
  std::vector<double> weights;  // one a folder
  i64 sequence_length = 0;
  i64 micro_batch = 8;
  i64 global_batch = 8;
  void visit_fields(FieldVisitor& v) {
    // What is in the folders is compared by its fingerprint.
    v.field("path", path, "folders made by lathe data prepare", {.on_resume = OnResume::kFree});
    v.field("weights", weights, "share of samples a folder; empty: by their tokens");
    v.field("sequence_length", sequence_length,
            "tokens of a sequence, at most the model's context; 0: that", KeyMeaning{}.from(0));
    v.field("micro_batch", micro_batch, "sequences a forward pass", kAside.from(1));
    v.field("global_batch", global_batch, "sequences an update",
            KeyMeaning{.role = KeyRole::kFollows}.within(1, 1e9));
  }
};

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::kAdamw;
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0.1;
  Decay decay = Decay::kMatrices;
  double clip = 1.0;
  FactorRate factor_lr = FactorRate::kUniform;
  FactorDecay factor_decay = FactorDecay::kPlain;
  double spectron_lr = 0.05;
  void visit_fields(FieldVisitor& v) {
    v.field("kind", kind, "");
    v.field("lr", lr, "peak learning rate", kAdjustableFollows.within(0, 100));
    v.field("betas", betas, "", kAdjustable.within(0, 0.9999999));
    // In f32 a smaller one is lost, and a weight whose gradient was always 0 becomes 0 / 0.
    v.field("eps", eps, "of Adam's denominator, above 0", kAdjustable.within(1e-30, 1));
    v.field("weight_decay", weight_decay, "", kAdjustable.within(0, 100));
    v.field("decay", decay, "what decays: embeddings and linears, or every parameter", kAdjustable);
    v.field("clip", clip, "largest norm of the whole gradient; 0: none",
            kAdjustable.within(0, 1e9));
    v.field("factor_lr", factor_lr, "rates of factors: all lr, or by the shape of their blocks",
            kOfFactors);
    v.field("factor_decay", factor_decay, "of factors: each one, or the product they stand for",
            kOfFactors);
    v.field("spectron_lr", spectron_lr, "spectron: largest spectral norm of a product's change",
            KeyMeaning{.role = KeyRole::kFollows}.within(0, 1));
  }
};

struct ScheduleSpec {
  ScheduleKind kind = ScheduleKind::kCosine;
  double warmup = 0.05;
  double min_lr = 0.1;
  double cooldown = 0.2;
  void visit_fields(FieldVisitor& v) {
    v.field("kind", kind, "", kAdjustable);
    v.field("warmup", warmup, "share of the steps, or steps where 1 or more",
            kAdjustableFollows.within(0, 1e12));
    v.field("min_lr", min_lr, "last learning rate as a share of the peak",
            kAdjustable.within(0, 1));
    v.field("cooldown", cooldown, "wsd: share of the steps, or steps, of the final decay",
            kAdjustableFollows.within(0, 1e12));
  }
};

// Self-guided training; see train/nn/guidance.h.
struct SelfGuidedSpec {
  GuideMode mode = GuideMode::kOff;
  double share = 0;
  GuideSchedule schedule = GuideSchedule::kCosine;
  GuideDraw stochastic = GuideDraw::kPaper;
  double alpha_end = 0;
  GuideHandoff handoff = GuideHandoff::kKeep;
  GuideStart from = GuideStart::kProduct;
  void visit_fields(FieldVisitor& v) {
    v.field("mode", mode,
            "a dense path beside structured linears at first: off; fixed_steps; or "
            "fixed_flops, which goes on until as much is spent as on the dense model",
            kOfFactors);
    // No more guided steps than there are.
    v.field("share", share, "of the steps that are guided; 0: half, or what fixed_flops asks for",
            KeyMeaning{.role = KeyRole::kFollows}.within(0, 1));
    v.field("schedule", schedule, "of alpha, the weight of the dense path", kOfFactors);
    v.field("stochastic", stochastic,
            "when the dense path is computed: always; or with probability "
            "alpha, mixed (paper) or in place of the factors (unbiased)",
            kOfFactors);
    v.field("alpha_end", alpha_end, "alpha at the end of the guided steps",
            kOfFactors.within(0, 0.999));
    v.field("handoff", handoff, "at that end: keep the factors, or reproject the mixture onto them",
            kOfFactors);
    v.field("from", from, "what the dense path starts as: the factors' product, or teacher.model's",
            kOfFactors);
  }
  // With the share as it is given.
  Guide guide() const {
    return {.mode = mode, .share = share, .draw = stochastic, .mean_alpha = (1 + alpha_end) / 2};
  }
};

// Another model to learn from; see train/teacher.h and train/nn/loss.h.
struct TeacherSpec {
  std::string model;
  TeacherMode mode = TeacherMode::kOff;
  double weight = 0.5;
  double temperature = 1;
  void visit_fields(FieldVisitor& v) {
    // Its weights are compared by their fingerprint.
    v.field("model", model, "model or run directory of the same vocabulary",
            {.on_resume = OnResume::kFree, .role = KeyRole::kStructure});
    v.field("mode", mode,
            "what is learnt from it in every update: off: nothing; logits: its probabilities, "
            "beside the text; blocks: what its blocks give, block by block, in place of the text",
            kOfFactors);
    v.field("weight", weight,
            "logits: w of the loss (1 - w) CE + w T² KL(teacher || student), T the temperature",
            KeyMeaning{.on_resume = OnResume::kSaid, .role = KeyRole::kStructure}.within(0, 1));
    v.field(
        "temperature", temperature, "logits: both models' logits are divided by it for KL",
        KeyMeaning{.on_resume = OnResume::kSaid, .role = KeyRole::kStructure}.within(0.01, 100));
  }
};

// Multiple-choice tasks while it trains, as `lathe eval` has them.
struct BenchmarksSpec {
  std::vector<std::string> tasks;
  std::string data;
  i64 items = 100;
  i64 every = 0;
  void visit_fields(FieldVisitor& v) {
    v.field("tasks", tasks, "hellaswag, arc_easy, …; their figures go into metrics.jsonl", kAside);
    v.field("data", data, "the folder of their files, as of lathe eval --data", kAside);
    v.field("items", items, "the first ones of each; 0: all", kAside.from(0));
    v.field("every", every, "steps; 0: at the end only", kAside.from(0));
  }
};

struct GuardSpec {
  i64 max_skips = 10;
  void visit_fields(FieldVisitor& v) {
    v.field("max_skips", max_skips, "stop after so many updates in a row with a loss not finite",
            kAside.from(0));
  }
};

struct RunSpec {
  std::string out = "runs/run";
  i64 seed = 1;
  i64 steps = 200;
  i64 tokens = 0;
  double flops = 0;
  InitKind init = InitKind::kPaper;
  RunDevice device = RunDevice::kCpu;
  Precision precision = Precision::kAuto;
  i64 threads = 0;
  bool recompute = false;
  std::vector<std::string> freeze;
  i64 checkpoint_every = 50;
  i64 keep_checkpoints = 3;
  i64 eval_every = 50;
  i64 eval_tokens = 65536;
  i64 sample_every = 100;
  i64 sample_tokens = 64;
  std::string sample_prompt = "The";
  i64 log_every = 10;
  RunModel model;
  DataSpec data;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  SelfGuidedSpec self_guided;
  TeacherSpec teacher;
  BenchmarksSpec benchmarks;
  GuardSpec guard;

  void visit_fields(FieldVisitor& v) {
    v.field("out", out, "run directory", kAside);
    v.field("seed", seed, "", {.role = KeyRole::kIgnored});
    v.field("steps", steps, "updates", kRunLength.within(1, static_cast<double>(kMostSteps)));
    v.field("tokens", tokens, "in place of steps where not 0", kRunLength.from(0));
    v.field("flops", flops, "in place of steps where not 0: what training costs, guidance included",
            kRunLength.within(0, 1e30));
    v.field("init", init,
            "of factors: the paper's; spectral: nearest to a normal matrix; or "
            "orthogonal, dense feed-forward layers too",
            kOfFactors);
    v.field("device", device, "", kAside);
    v.field("precision", precision,
            "of the matrix products; masters are f32; auto: bf16 where the device multiplies it "
            "itself, else f32",
            kAdjustable);
    v.field("threads", threads, "0: what affinity and cgroup allow, or one where that is faster",
            kAside.from(0));
    v.field("recompute", recompute, "forget activations inside blocks and compute them again",
            kAside);
    v.field("freeze", freeze,
            "tensors that stay as they are, by their names, * for any run of characters: "
            "\"blocks.*.attention.*\"",
            kAdjustable);
    v.field("checkpoint_every", checkpoint_every, "steps", kAside.from(0));
    v.field("keep_checkpoints", keep_checkpoints, "newest ones kept, beside the best",
            kAside.from(1));
    v.field("eval_every", eval_every, "steps; 0: at the end only", kAside.from(0));
    v.field("eval_tokens", eval_tokens,
            "validation tokens a time, at most; whole windows of the context",
            KeyMeaning{.on_resume = OnResume::kFree}.from(1));
    v.field("sample_every", sample_every, "steps; 0: none", kAside.from(0));
    v.field("sample_tokens", sample_tokens, "", kAside.from(0));
    v.field("sample_prompt", sample_prompt, "", kAside);
    v.field("log_every", log_every, "steps between lines where the output is no terminal",
            kAside.from(1));
    v.section("model", model, "preset = NAME or spec = FILE, then any key of a spec");
    v.section("data", data, "");
    v.section("optimizer", optimizer, "");
    v.section("schedule", schedule, "");
    v.section("self_guided", self_guided, "");
    v.section("teacher", teacher, "");
    v.section("benchmarks", benchmarks, "");
    v.section("guard", guard, "");
  }
  // Error unless every number is in range and the keys fit together.
  void validate() const;
  // Sets steps from tokens or flops, where these are given, on a valid run. Error where they do not
  // pay for one.
  void resolve();
  // Whether a new run needs teacher.model.
  bool begins_with_teacher() const {
    return teacher.mode != TeacherMode::kOff ||
           (self_guided.mode != GuideMode::kOff && self_guided.from == GuideStart::kTeacher);
  }
  // T, tokens of a sequence.
  i64 sequence_length() const {
    return data.sequence_length > 0 ? data.sequence_length : model.context_length;
  }
  i64 batch_tokens() const { return data.global_batch * sequence_length(); }
};

// What a key of a run file means, dotted; that of a key that no row says more of where there is
// none, so that the files of a newer lathe can be compared too.
KeyMeaning meaning_of(const std::string& key);

// Pure; `run` is valid.
Phases phases_of(const RunSpec& run);

// What training is expected to cost, guidance included, a teacher not.
double planned_flops(const RunSpec& run);

// Error unless every folder of data.path is a prepared one whose vocabulary the model has. Reads
// their dataset.json only.
void check_data(const RunSpec& run);

// A run file (.toml or .json) on its base, --set overrides on top, [model] resolved. An empty path
// stands for an empty file: the defaults.
RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides);
RunSpec parse_run_spec(Json tree, const std::string& folder, const std::string& where);

}  // namespace lathe
