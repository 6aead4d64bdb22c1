// One token a byte: needs no training and no file, and reads everything.
#include "base/error.h"
#include "text/bpe_definition.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

constexpr int32_t kEndId = 256;

// Byte-level BPE without merges, which other programs can load too.
BpeDefinition make_definition() {
  BpeDefinition definition;
  definition.tokens.assign(byte_characters().begin(), byte_characters().end());
  definition.tokens.emplace_back(kEndOfText);
  definition.added.push_back({kEndId, std::string(kEndOfText), true});
  return definition;
}

class ByteTokenizer : public Tokenizer {
 public:
  void append_ids(std::string_view text, std::vector<int32_t>& out) const override {
    out.reserve(out.size() + text.size());
    for (const char c : text) out.push_back(static_cast<uint8_t>(c));
  }

  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    text.reserve(ids.size());
    for (const int32_t id : ids) text += token_bytes(id);
    return text;
  }

  std::string token_bytes(int32_t id) const override {
    if (id < 0 || id > kEndId) {
      fail(
          "[tokenizer] token id {} is out of range, expected 0 to {}; is this the right "
          "tokenizer?",
          id, kEndId);
    }
    return id == kEndId ? std::string() : std::string(1, static_cast<char>(id));
  }

  i64 vocab_size() const override { return kEndId + 1; }

  std::optional<int32_t> special_token(std::string_view name) const override {
    return name == kEndOfText ? std::optional(kEndId) : std::nullopt;
  }

  std::string_view kind() const override { return "bytes"; }

  std::vector<SpecialToken> special_tokens() const override {
    return {{kEndId, std::string(kEndOfText)}};
  }
  std::string_view file_name() const override { return "tokenizer.json"; }
  std::string file_content() const override { return to_tokenizer_json(make_definition()); }
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer() { return std::make_unique<ByteTokenizer>(); }

bool is_byte_tokenizer(const BpeDefinition& definition) {
  const BpeDefinition bytes = make_definition();
  return definition.merges.empty() && !definition.add_prefix_space &&
         definition.alphabet == bytes.alphabet && definition.tokens == bytes.tokens &&
         definition.added.size() == 1 && definition.added[0].id == kEndId &&
         definition.added[0].special;
}

}  // namespace lathe
