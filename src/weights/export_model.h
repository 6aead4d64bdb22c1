// Models for other programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "weights/model_values.h"
#include "weights/write_tensors.h"

namespace lathe {

// What goes out beside the weights.
struct ExportInput {
  ModelValues values;
  std::string name;  // of the model, for people
  const Tokenizer& tokenizer;
  std::string chat_template;
  DType matrices = DType::kF32;  // as which matrices are stored; the rest is f32
  OnTensor on_tensor;
};

struct Exported {
  std::string what;                // "Hugging Face, llama"
  std::vector<std::string> notes;  // what others compute otherwise, for the user
};

// A Hugging Face directory in the existing folder: that of a family in the table where one can
// express the model, else lathe's own, which transformers runs by the modeling_lathe.py in it
// (trust_remote_code). Types: f32, bf16, f16.
Exported export_hf(const ExportInput& model, const std::string& folder);

// A GGUF file, atomically. Types: f32, bf16, f16, q8_0; a matrix whose rows are no whole blocks is
// f16 then. Error where no architecture can express the model, or its tokenizer.
Exported export_gguf(const ExportInput& model, const std::string& path);

extern const std::string_view kModelingPython;  // modeling_lathe.py

}  // namespace lathe
