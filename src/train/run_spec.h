// A run file: everything about a training run. Every key has a default; `lathe train
// --print-config` shows them.
#pragma once

#include "core/model_spec.h"

namespace lathe::train {

enum class RunDevice { kCpu, kCuda };
enum class OptimizerKind { kAdamw };
enum class Decay { kMatrices, kAll };
enum class ScheduleKind { kCosine, kLinear, kWsd };
enum class Precision { kBf16, kF32 };
std::span<const std::string_view> names_of(RunDevice);
std::span<const std::string_view> names_of(OptimizerKind);
std::span<const std::string_view> names_of(Decay);
std::span<const std::string_view> names_of(ScheduleKind);
std::span<const std::string_view> names_of(Precision);

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
  void visit_fields(FieldVisitor& v);
};

struct ScheduleSpec {
  ScheduleKind kind = ScheduleKind::kCosine;
  double warmup = 0.05;
  double min_lr = 0.1;
  double cooldown = 0.2;
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
  RunDevice device = RunDevice::kCpu;
  Precision precision = Precision::kBf16;
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
  GuardSpec guard;

  void visit_fields(FieldVisitor& v);
  // Error unless every number is in range; steps are set from tokens where tokens is given.
  void validate();
  i64 batch_tokens() const { return data.global_batch * model.context_length; }
};

// A run file (.toml or .json), --set overrides on top, [model] resolved. An empty path stands for
// an empty file: the defaults.
RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides);
RunSpec parse_run_spec(Json tree, const std::string& folder, const std::string& where);

}  // namespace lathe::train
