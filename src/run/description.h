// The figures of a model that nobody has trained yet: what `lathe describe` shows.
#pragma once

#include <optional>

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

}  // namespace lathe
