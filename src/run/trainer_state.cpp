#include "run/trainer_state.h"

#include <nlohmann/json.hpp>

#include "base/config_tree.h"

namespace lathe {

void TrainerState::visit_fields(FieldVisitor& v) {
  v.field("step", step, "");
  v.field("tokens", tokens, "");
  v.field("skipped", skipped, "");
  v.field("skipped_in_row", skipped_in_row, "");
  v.field("flops", flops, "");
  v.field("seconds", seconds, "");
  v.field("best_loss", best_loss, "");
  v.field("best_step", best_step, "");
  v.field("last_val_loss", last_val_loss, "");
  v.field("last_eval_step", last_eval_step, "");
  v.field("finished", finished, "");
  v.field("data", data, "");
  v.field("teacher", teacher, "");
}

TrainerState parse_trainer_state(std::string_view text, const std::string& where) {
  TrainerState state;
  read_fields(parse_json(text, where), state, where);
  const auto at_least = [&](const char* key, i64 value, i64 least) {
    if (value < least) fail("{}: '{}' is {}, expected at least {}", where, key, value, least);
  };
  at_least("step", state.step, 0);
  at_least("tokens", state.tokens, 0);
  at_least("skipped", state.skipped, 0);
  at_least("skipped_in_row", state.skipped_in_row, 0);
  at_least("best_step", state.best_step, -1);
  at_least("last_eval_step", state.last_eval_step, -1);
  return state;
}

}  // namespace lathe
