// What defines a BPE tokenizer, apart from any file format, and the formats it comes in.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/integer.h"
#include "text/normalization.h"
#include "text/split_rule.h"

namespace lathe {

struct BpeDefinition {
  enum class Alphabet {
    kBytes,         // GPT-2: every byte is a character of the vocabulary
    kByteFallback,  // Llama 2: characters, and <0x00> … <0xFF> for those that have no token
  };
  struct Merge {
    int32_t left, right, merged;  // ids
  };
  struct AddedToken {
    int32_t id;
    std::string content;
    bool special;
    bool normalized = false;  // looked for in normalized text, not before
  };
  using Normalization = lathe::Normalization;

  Alphabet alphabet = Alphabet::kBytes;
  std::vector<std::string> tokens;  // id → token as the file spells it; "" where the id is unused
  std::vector<Merge> merges;        // in order of rank
  std::vector<AddedToken> added;    // their content is in `tokens` too

  // kBytes: what is done to text first, and how it is cut before merging.
  Normalization normalization = Normalization::kNone;
  std::vector<SplitRule> patterns;
  bool add_prefix_space = false;
  bool ignore_merges = false;  // a piece that is a token is that token, whatever the merges say

  // kByteFallback: "▁" put before the text (unless it begins with a space: Metaspace); spaces
  // dropped from the start when decoding.
  enum class SpacePrefix { kNever, kAlways, kUnlessThere };
  SpacePrefix space_prefix = SpacePrefix::kNever;
  i64 strip_spaces = 0;
};

// "▁" (U+2581), which stands for a space in SentencePiece's vocabularies.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

inline constexpr std::string_view kEndOfText = "<|endoftext|>";

// GPT-2's printable stand-in for each byte, as UTF-8, and the byte of a stand-in (-1: none).
const std::array<std::string, 256>& byte_characters();
int byte_of_character(uint32_t code_point);
// The bytes in the order in which GPT-2 gives them the ids 0 … 255.
const std::array<uint8_t, 256>& gpt2_byte_order();

// Hugging Face's tokenizer.json. Throws Error, naming the feature, for what lathe cannot encode
// exactly. Truncation, padding and the post-processor are not read: they add special tokens or cut.
BpeDefinition parse_bpe_json(std::string_view json, const std::string& where);

// GPT-2's pair of files: `vocab` is encoder.json or vocab.json, `merges` vocab.bpe or merges.txt.
BpeDefinition parse_gpt2_files(std::string_view vocab, const std::string& vocab_where,
                               std::string_view merges, const std::string& merges_where);

// Whether it is what make_byte_tokenizer() saves, so that the faster class can take its place.
bool is_byte_tokenizer(const BpeDefinition& definition);

// As a tokenizer.json that lathe and Hugging Face's `tokenizers` load. Byte-level only.
std::string to_tokenizer_json(const BpeDefinition& definition);

}  // namespace lathe
