// Byte-pair encoding over a BpeDefinition.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/integer.h"
#include "text/added_tokens.h"
#include "text/bpe_definition.h"
#include "text/bpe_word_encoder.h"
#include "text/normalization.h"
#include "text/pretokenizer.h"
#include "text/scratch_pool.h"
#include "text/tokenizer.h"

namespace lathe {

class BpeTokenizer : public Tokenizer {
 public:
  // `json` is what save() writes. Throws Error, naming `where`, when the vocabulary lacks a byte or
  // holds a token that no text can give.
  BpeTokenizer(BpeDefinition definition, std::string json, const std::string& where);
  ~BpeTokenizer() override;

  void append_ids(std::string_view text, std::vector<int32_t>& out) const override;
  std::string decode(std::span<const int32_t> ids) const override;
  std::string token_bytes(int32_t id) const override;
  i64 vocab_size() const override { return static_cast<i64>(bytes_.size()); }
  std::optional<int32_t> special_token(std::string_view name) const override;
  std::string_view kind() const override { return "bpe"; }
  std::vector<SpecialToken> special_tokens() const override;
  std::string_view file_name() const override { return "tokenizer.json"; }
  std::string file_content() const override { return json_; }

 private:
  struct Scratch;

  using Characters = std::unordered_map<uint32_t, int32_t>;  // code point → id
  void index_bytes();
  Characters index_fallback(const std::string& where);
  void index_added(const std::vector<BpeDefinition::AddedToken>& added);
  void append_section(std::string_view text, Scratch& scratch, std::vector<int32_t>& out) const;
  void append_marked(std::string_view text, Scratch& scratch, std::vector<int32_t>& out) const;
  void append_normalized(std::string_view text, Scratch& scratch, std::vector<int32_t>& out) const;

  BpeDefinition::Alphabet alphabet_;
  bool add_prefix_space_;
  BpeDefinition::SpacePrefix space_prefix_;
  i64 strip_spaces_;
  std::string json_;
  TextNormalizer normalizer_;
  Pretokenizer pretokenizer_;
  std::optional<BpeWordEncoder> words_;  // there after construction
  std::vector<std::string> bytes_;       // id → what it adds to the text; "" for special tokens
  std::array<int32_t, 256> byte_ids_;    // byte → id
  std::vector<BpeDefinition::AddedToken> special_;
  AddedTokens raw_, normalized_;  // looked for before and after normalizing
  bool cuts_at_marks_ = false;    // kByteFallback: no token has "▁" after something else

  mutable ScratchPool<Scratch> pool_;
};

}  // namespace lathe
