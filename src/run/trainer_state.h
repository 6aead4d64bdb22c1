// Where a training run stands: trainer.json of a checkpoint. No LibTorch in this header.
#pragma once

#include <string>

#include "base/fields.h"

namespace lathe {

// Everything else is a pure function of this and the run file.
struct TrainerState {
  i64 step = 0;  // updates tried, so the index of the next one
  i64 tokens = 0;
  i64 skipped = 0;         // updates left out because the loss or gradient was not finite
  i64 skipped_in_row = 0;  // the guard's window
  double flops = 0;
  double seconds = 0;  // of training, over all parts of the run
  double best_loss = 0;
  i64 best_step = -1;
  double last_val_loss = 0;
  i64 last_eval_step = -1;
  bool finished = false;  // all steps, and what comes after the last of them
  std::string data;       // fingerprint of the prepared folders
  std::string teacher;    // of the weights learnt from in every update; "" where there are none
  void visit_fields(FieldVisitor& v);
};

// Error that names `where` for text that is no such state, or one that no run can be in.
TrainerState parse_trainer_state(std::string_view text, const std::string& where);

}  // namespace lathe
