// What a checkpoint of a run holds, beyond the model directory: optimizer state and trainer state.
#pragma once

#include "core/run_directory.h"
#include "core/run_spec.h"
#include "core/tokenizer.h"
#include "train/guidance.h"
#include "train/optimizer.h"

namespace lathe::train {

// Where a run stands; everything else is a pure function of it and the run file.
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
  std::string data;  // fingerprint of the prepared folders
  void visit_fields(FieldVisitor& v);
};

// A model directory: config.json, model.safetensors (f32 masters), the tokenizer's file.
void save_model(const std::string& folder, ModelSpec spec, Parameters& parameters,
                const Tokenizer& tokenizer);
// Weights by name; Error for a missing tensor or another shape.
void load_weights(const std::string& path, Parameters& parameters);

// A set of weights with its optimizer.
struct TrainedSet {
  Parameters& parameters;
  Optimizer& optimizer;
};

// Optimizer state of the model and, while there is guidance (else null), its matrices and theirs.
void save_trainer(const std::string& folder, const TrainerState& state, TrainedSet model,
                  const TrainedSet* guide);
// Also brings the compute copies up to date. Error where the checkpoint has no guidance and `guide`
// is not null.
TrainerState load_trainer_state(const std::string& folder);
void load_checkpoint(const std::string& folder, TrainedSet model, const TrainedSet* guide);

}  // namespace lathe::train
