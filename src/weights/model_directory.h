// A model directory: config.json (the spec), model.safetensors, the tokenizer's file, and a chat
// template where the model has one. Read and written here for every engine.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "model/plan.h"
#include "text/tokenizer.h"
#include "weights/model_values.h"
#include "weights/safetensors.h"
#include "weights/write_tensors.h"

namespace lathe {

inline constexpr const char* kConfigFile = "config.json";
inline constexpr const char* kWeightsFile = "model.safetensors";
inline constexpr const char* kChatTemplateFile = "chat_template.jinja";

struct ModelDirectory {
  std::string path;
  Plan plan;
  std::shared_ptr<const WeightSource> weights;  // not yet checked against the plan
  std::string tokenizer;                        // what load_tokenizer() takes
  std::string chat_template;                    // Jinja; "" where there is none
};

// That of a folder; "" where there is none.
std::string read_chat_template(const std::string& folder);

// Error, naming the file, where one is missing or damaged, or the spec makes no plan.
ModelDirectory open_model_directory(const std::string& path);

// Writes all of it into the existing folder; the spec's tokenizer becomes the file's name. Each
// file appears whole.
void write_model_directory(const std::string& folder, ModelSpec spec,
                           std::span<const TensorToWrite> tensors, const Tokenizer& tokenizer,
                           const std::string& chat_template);

// The same from values on demand, one tensor in memory at a time; `matrices`: f32 or bf16, the rest
// is f32.
void write_model_directory(const std::string& folder, const ModelValues& model, DType matrices,
                           const Tokenizer& tokenizer, const std::string& chat_template,
                           const OnTensor& on_tensor);

}  // namespace lathe
