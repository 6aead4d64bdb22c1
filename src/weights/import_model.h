// Other programs' models, whatever file they come in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "weights/model_values.h"

namespace lathe {

struct ImportedModel {
  std::string format;  // "GGUF, llama"
  ModelValues values;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::string chat_template;       // Jinja; "" where there is none
  std::vector<std::string> notes;  // what came through changed, for the user
};

// `path`: a Hugging Face directory (config.json, safetensors), a GGUF file, an llm.c or llama2.c
// checkpoint; told by content. `tokenizer`: a name or path in place of what the model brings, ""
// for that; llama2.c's tokenizer.bin too. Error, naming the file, for what lathe does not read or
// could not run as the original does. Nothing in the files is executed.
ImportedModel open_foreign_model(const std::string& path, const std::string& tokenizer);

}  // namespace lathe
