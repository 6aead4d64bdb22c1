// What `lathe describe` says of a model, as figures, JSON and a table. Computes; does not print.
#pragma once

#include <optional>
#include <string>

#include "base/fields.h"
#include "run/training_cost.h"

namespace lathe {

struct Description {
  Plan plan;
  ParamCount params;
  ByteCount bytes;
  double forward_flops = 0;           // per token, at the full context
  std::optional<TrainPlan> training;  // absent: nobody has said how many tokens
  TrainCount train;
};

// Error where the guide has nothing to guide, or its share is none.
Description describe_model(const ModelSpec& spec, std::optional<TrainPlan> training);

// The shape is part of the command line's contract (DESIGN.md); train_total is null without tokens.
Json describe_as_json(const Description& description);

// What the paper prints of a preset, beside our own counts; empty where it prints nothing. Our
// training FLOPs belong to the paper's tokens.
std::string published_text(const std::string& preset);

// Every stage with its shapes: what both of them say of the plan.
Json plan_as_json(const Plan& plan);
std::string plan_as_text(const Plan& plan);

std::string describe_as_text(const Description& description, const std::string& title);

}  // namespace lathe
