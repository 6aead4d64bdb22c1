// What `lathe eval` prints.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "base/fields.h"

namespace lathe {

// A task's figures, with --against those of the other model and the difference too.
struct TaskReport {
  std::string name;
  bool is_choice = false;            // a row of the table; else a line of its own
  Json result, against, difference;  // the last two null where there is no other model
};

// "perplexity:wiki.txt  ppl 12.3  …", one task a line.
std::string perplexity_lines(const TaskReport& report);
// One table of all multiple-choice tasks; "" where there are none.
std::string choice_table(std::span<const TaskReport> reports);
// {"tasks": {NAME: {…, "against": {…}, "difference": {…}}}}.
std::string reports_json(std::span<const TaskReport> reports);

}  // namespace lathe
