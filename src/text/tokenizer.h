// Text to token ids and back: the interface of all tokenizers, and how to get one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/integer.h"

namespace lathe {

// Const after construction; every function may be called from many threads at once.
//
// Special tokens (end of text and its like) are never looked for in text: a document that spells
// "<|endoftext|>" yields ordinary tokens, so that no training text can end a document by itself.
// Who wants a special token appends its id. encode() adds none either, at neither end.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text` to `out`. Any bytes are allowed. The byte tokenizer and byte-level
  // BPE give them back unchanged; SentencePiece reads what is not UTF-8 as U+FFFD.
  virtual void append_ids(std::string_view text, std::vector<int32_t>& out) const = 0;

  // The text of `ids`; special tokens give no text. Throws Error for an id outside the vocabulary.
  virtual std::string decode(std::span<const int32_t> ids) const = 0;

  // What one token adds to the text, for output as it is generated; "" for special tokens. May be
  // part of a UTF-8 character. Where the tokenizer puts a space before every text (Llama 2),
  // decode() drops the first token's space and this does not.
  virtual std::string token_bytes(int32_t id) const = 0;

  // One more than the largest id.
  virtual i64 vocab_size() const = 0;

  // The id of the special token spelt `name`.
  virtual std::optional<int32_t> special_token(std::string_view name) const = 0;

  // "bytes", "bpe" or "sentencepiece".
  virtual std::string_view kind() const = 0;

  // All of them, in the order of their ids.
  struct SpecialToken {
    int32_t id;
    std::string text;
  };
  virtual std::vector<SpecialToken> special_tokens() const = 0;

  // The tokenizer as one file: its name, which is the spec's "tokenizer" key, and its bytes, which
  // load_tokenizer() reads.
  virtual std::string_view file_name() const = 0;
  virtual std::string file_content() const = 0;

  // Writes that file into the existing folder `dir` (atomically) and returns its name.
  std::string save(const std::string& dir) const;

  // As append_ids, but where the text spells a special token that token's id is appended: for
  // prompts, which their author means so. Where two could begin, the longer one does.
  void append_ids_with_special(std::string_view text, std::vector<int32_t>& out) const;

  std::vector<int32_t> encode(std::string_view text) const {
    std::vector<int32_t> ids;
    append_ids(text, ids);
    return ids;
  }

  // "" where it is no special token.
  std::string special_text(int32_t id) const;
  // 16 hexadecimal digits that stand for what this tokenizer makes of text: the bytes of every
  // token and the ids of a probe, whatever file it was read from.
  std::string fingerprint() const;

  // Ends a document: <|endoftext|>, </s>, <|end_of_text|> or <eos>, the first there is.
  std::optional<int32_t> end_of_text() const;
  // Begins a text for models trained so: <s>, <|begin_of_text|> or <bos>.
  std::optional<int32_t> begin_of_text() const;
};

// The name of the tokenizer that needs no file.
inline constexpr const char* kByteTokenizer = "bytes";

// From a name or path:
//   bytes                     256 bytes and <|endoftext|> = 256; needs no file
//   tokenizer.json            Hugging Face, BPE on bytes or with byte fallback
//   vocab.bpe or merges.txt   GPT-2's files, with encoder.json or vocab.json beside it
//   *.model                   SentencePiece
//   a folder                  that holds one of these files (tried in this order)
// Throws Error for anything it cannot encode exactly as the original would.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path);

// The same from a file's content; `where` names it in errors.
std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view json, const std::string& where);
std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view model, const std::string& where);

// One token a byte, and <|endoftext|> = 256.
std::unique_ptr<Tokenizer> make_byte_tokenizer();

}  // namespace lathe
