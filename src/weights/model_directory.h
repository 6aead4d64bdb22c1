// A model directory: config.json (the spec), model.safetensors, and the tokenizer's file. Read and
// written here for every engine.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "model/plan.h"
#include "text/tokenizer.h"
#include "weights/safetensors.h"

namespace lathe {

inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kWeightsFile = "model.safetensors";

struct ModelDirectory {
  std::string path;
  Plan plan;
  std::shared_ptr<const WeightSource> weights;  // not yet checked against the plan
  std::string tokenizer;                        // what load_tokenizer() takes
};

// Error, naming the file, where one is missing or damaged, or the spec makes no plan.
ModelDirectory open_model_directory(const std::string& path);

// Writes all three into the existing folder; the spec's tokenizer becomes the file's name. Each
// file appears whole.
void write_model_directory(const std::string& folder, ModelSpec spec,
                           std::span<const TensorToWrite> tensors, const Tokenizer& tokenizer);

}  // namespace lathe
