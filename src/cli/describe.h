// What `lathe describe` says of a model, as JSON and a table. Does not print.
#pragma once

#include <string>

#include "base/fields.h"
#include "run/description.h"

namespace lathe {

// The shape is part of the command line's contract (DESIGN.md); train_total is null without tokens.
Json describe_as_json(const Description& description);

// What the paper prints of a preset, beside our own counts; empty where it prints nothing. Our
// training FLOPs belong to the paper's tokens.
std::string published_text(const std::string& preset);

// Every stage with its shapes.
std::string plan_as_text(const Plan& plan);

std::string describe_as_text(const Description& description, const std::string& title);

}  // namespace lathe
