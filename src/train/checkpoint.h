// What a checkpoint of a run holds, beyond the model directory: optimizer state and trainer state.
#pragma once

#include "run/run_directory.h"
#include "run/run_spec.h"
#include "run/trainer_state.h"
#include "text/tokenizer.h"
#include "train/nn/guidance.h"
#include "train/optim/optimizer.h"
#include "weights/weight_source.h"

namespace lathe::train {

// A model directory: config.json, model.safetensors (f32 masters), the tokenizer's file, the chat
// template where there is one.
void save_model(const std::string& folder, const ModelSpec& spec, Parameters& parameters,
                const Tokenizer& tokenizer, const std::string& chat_template);
// Error unless the source has exactly these tensors, as f32 or bf16.
void load_weights(const WeightSource& source, Parameters& parameters);

// A set of weights with its optimizer.
struct TrainedSet {
  Parameters& parameters;
  Optimizer& optimizer;
};

// Optimizer state of the model and, while there is guidance (else null), its matrices and theirs.
void save_trainer(const std::string& folder, const TrainerState& state, TrainedSet model,
                  const TrainedSet* guide);
TrainerState load_trainer_state(const std::string& folder);
// Weights and optimizer states into the sets, whose compute copies are brought up to date. Error
// where `guide` is not null and the checkpoint has no guidance.
void load_checkpoint(const std::string& folder, TrainedSet model, const TrainedSet* guide);

}  // namespace lathe::train
