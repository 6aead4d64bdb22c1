// What models say of their tokens beside the tokenizer itself: in a Hugging Face directory, and in
// GGUF.
#pragma once

#include <string>

#include "model/model_spec.h"
#include "text/token_list.h"
#include "weights/gguf_config.h"

namespace lathe {

// Which token begins a text, if the tokenizer puts one there, and which end one, from the files of
// the folder; what they do not say stays as it is in `spec`.
void read_hf_tokens(const std::string& folder, ModelSpec& spec);
// "" where there is none.
std::string read_hf_chat_template(const std::string& folder);

// Error where the file holds no tokenizer that lathe reads.
TokenList gguf_token_list(const GgufMetadata& metadata);
// What GGUF says of tokens.
GgufEntries to_gguf_tokens(const TokenList& list, const ModelSpec& spec, int32_t end_of_text,
                           const std::string& chat_template);

}  // namespace lathe
