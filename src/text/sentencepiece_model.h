// SentencePiece's model files (a protobuf message) as a list of tokens, and back. Private to
// src/text.
#pragma once

#include <string>
#include <string_view>

#include "text/token_list.h"

namespace lathe {

// Error naming `where` for bytes that are no byte-pair model that keeps text as it is.
TokenList parse_sentencepiece_tokens(std::string_view model, const std::string& where);

// The list has the model kSentencePiece.
std::string to_sentencepiece_model(const TokenList& list);

}  // namespace lathe
