// A plan for other programs: every stage with its shapes.
#pragma once

#include "base/fields.h"
#include "model/plan.h"

namespace lathe {

// A list of stages, each an object with "stage" first. `describe --json` prints it, and
// modeling_lathe.py builds the model from it.
Json plan_as_json(const Plan& plan);

}  // namespace lathe
