// A vocabulary as GGUF and llama2.c have it: a list of tokens, each of a kind, with the merges or
// scores that make text into them. To tokenizers from it, and back for export.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace lathe {

struct TokenList {
  enum class Model {
    kBytePairs,      // GPT-2's sort: tokens in its letters for bytes, merges
    kSentencePiece,  // Llama 2's: "▁" for spaces, scores, bytes as <0x00>
  };
  // As GGUF numbers them.
  enum Kind : i64 { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

  Model model = Model::kBytePairs;
  std::vector<std::string> tokens;
  std::vector<i64> kinds;           // one a token
  std::vector<double> scores;       // kSentencePiece: one a token
  std::vector<std::string> merges;  // kBytePairs: "left right", in order
  std::string pre_tokenizer;        // kBytePairs: GGUF's name for how text is cut
  bool add_space_prefix = true;     // kSentencePiece
};

// Error that names `where` where the lists do not fit together, or text is cut in a way that lathe
// does not know.
std::unique_ptr<Tokenizer> make_tokenizer(const TokenList& list, const std::string& where);

// llama2.c's tokenizer.bin of so many tokens: the first three are <unk>, <s> and </s>. Error naming
// `where` for bytes that are none.
TokenList parse_llama2_c_tokenizer(std::string_view bytes, i64 vocab_size,
                                   const std::string& where);

// The tokens of a tokenizer, at least `vocab_size` of them: what the model has beyond is unused.
// Error that names `where` where GGUF has no word for what the tokenizer does.
TokenList token_list_of(const Tokenizer& tokenizer, i64 vocab_size, const std::string& where);

}  // namespace lathe
