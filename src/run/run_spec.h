// A run file: everything about a training run. Every key has a default; `lathe train
// --print-config` shows them.
#pragma once

#include "model/counts.h"
#include "model/model_spec.h"

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
constexpr auto names_of(GuideHandoff) { return enum_names<GuideHandoff>("keep", "reproject"); }

struct DataSpec {
  std::vector<std::string> path;  // prepared folders
  std::vector<double> weights;    // one a folder; empty: by their tokens
  i64 micro_batch = 8;
  i64 global_batch = 8;
  void visit_fields(FieldVisitor& v);
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
  void visit_fields(FieldVisitor& v);
};

struct ScheduleSpec {
  ScheduleKind kind = ScheduleKind::kCosine;
  double warmup = 0.05;
  double min_lr = 0.1;
  double cooldown = 0.2;
  void visit_fields(FieldVisitor& v);
};

// Self-guided training; see train/nn/guidance.h.
struct SelfGuidedSpec {
  GuideMode mode = GuideMode::kOff;
  double share = 0;
  GuideSchedule schedule = GuideSchedule::kCosine;
  GuideDraw stochastic = GuideDraw::kPaper;
  double alpha_end = 0;
  GuideHandoff handoff = GuideHandoff::kKeep;
  void visit_fields(FieldVisitor& v);
};

struct GuardSpec {
  i64 max_skips = 10;
  void visit_fields(FieldVisitor& v);
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
  i64 checkpoint_every = 50;
  i64 keep_checkpoints = 3;
  i64 eval_every = 50;
  i64 eval_tokens = 65536;
  i64 sample_every = 100;
  i64 sample_tokens = 64;
  std::string sample_prompt = "The";
  i64 log_every = 10;
  std::string init_from;
  ModelSpec model;
  DataSpec data;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  SelfGuidedSpec self_guided;
  GuardSpec guard;

  void visit_fields(FieldVisitor& v);
  // Error unless every number is in range; steps are set from tokens or flops where these are
  // given.
  void validate();
  i64 batch_tokens() const { return data.global_batch * model.context_length; }
};

// The phases of a run, by update: guided while step < guided; from `steps` on, which only
// fixed_flops goes past, the first batches come again.
struct Phases {
  i64 steps = 0;   // updates on new batches
  i64 guided = 0;  // G
  i64 total = 0;   // steps, plus G for fixed_flops: what the schedules span
  // The batch of an update, as a number in the data order.
  i64 batch_of(i64 step) const { return step < steps ? step : step - steps; }
};
// Pure; `run` is validated.
Phases phases_of(const RunSpec& run);

// What training is expected to cost, guidance included.
double planned_flops(const RunSpec& run);

// Error unless every folder of data.path is a prepared one whose vocabulary the model has. Reads
// their dataset.json only.
void check_data(const RunSpec& run);

// A run file (.toml or .json) on its base, --set overrides on top, [model] resolved. An empty path
// stands for an empty file: the defaults.
RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides);
RunSpec parse_run_spec(Json tree, const std::string& folder, const std::string& where);

}  // namespace lathe
