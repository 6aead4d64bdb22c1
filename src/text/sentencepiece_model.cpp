#include "text/sentencepiece_model.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "text/protobuf_fields.h"
#include "text/sentencepiece_settings.h"

namespace lathe {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr int kPieces = 1, kTrainer = 2, kNormalizer = 3;
constexpr int kPieceText = 1, kPieceScore = 2, kPieceType = 3;
constexpr int kModelType = 3, kVocabSize = 4, kByteFallback = 35;
constexpr int kName = 1, kAddDummyPrefix = 3, kRemoveExtraWhitespaces = 4, kEscapeWhitespaces = 5;
constexpr uint64_t kBpe = 2;

class MessageWriter {
 public:
  void number(int field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(value);
  }
  void bytes(int field, std::string_view value) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(value.size());
    out += value;
  }
  void real(int field, float value) {
    varint(static_cast<uint64_t>(field) << 3 | 5);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::string out;

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  }
};

// Theirs are GGUF's kinds.
void read_piece(std::string_view message, TokenList& list, bool& ok) {
  ProtobufFields reader(message);
  std::string text;
  float score = 0;
  i64 kind = TokenList::kNormal;
  for (ProtobufField field; reader.next(field);) {
    if (field.number == kPieceText) text = field.bytes;
    if (field.number == kPieceType) kind = static_cast<i64>(field.value);
    if (field.number == kPieceScore && field.bytes.size() == sizeof score) {
      std::memcpy(&score, field.bytes.data(), sizeof score);
    }
  }
  ok = ok && reader.ok() && kind >= TokenList::kNormal && kind <= TokenList::kByte;
  list.tokens.push_back(std::move(text));
  list.scores.push_back(static_cast<double>(score));
  list.kinds.push_back(kind);
}

}  // namespace

TokenList parse_sentencepiece_tokens(std::string_view model, const std::string& where) {
  TokenList list;
  list.model = TokenList::Model::kSentencePiece;
  bool ok = true;
  ProtobufFields reader(model);
  for (ProtobufField field; reader.next(field);) {
    if (field.number == kPieces) read_piece(field.bytes, list, ok);
  }
  const SentencePieceSettings settings = parse_sentencepiece_settings(model);
  if (!ok || !reader.ok() || !settings.readable) {
    fail("[tokenizer] {}: not a SentencePiece model; is the file whole?", where);
  }
  if (!settings.merges_pairs || settings.normalizes || settings.remove_extra_whitespaces ||
      !settings.escape_whitespaces || settings.whitespace_is_suffix) {
    fail(
        "[tokenizer] {}: GGUF has byte-pair SentencePiece models that keep text as it is, and this "
        "is another",
        where);
  }
  list.add_space_prefix = settings.add_dummy_prefix;
  return list;
}

std::string to_sentencepiece_model(const TokenList& list) {
  LATHE_CHECK(list.model == TokenList::Model::kSentencePiece);
  MessageWriter model;
  for (size_t i = 0; i < list.tokens.size(); ++i) {
    MessageWriter piece;
    piece.bytes(kPieceText, list.tokens[i]);
    piece.real(kPieceScore, static_cast<float>(list.scores[i]));
    if (list.kinds[i] != TokenList::kNormal) {
      piece.number(kPieceType, static_cast<uint64_t>(list.kinds[i]));
    }
    model.bytes(kPieces, piece.out);
  }
  MessageWriter trainer;
  trainer.number(kModelType, kBpe);
  trainer.number(kVocabSize, list.tokens.size());
  trainer.number(kByteFallback, std::find(list.kinds.begin(), list.kinds.end(), TokenList::kByte) !=
                                    list.kinds.end());
  model.bytes(kTrainer, trainer.out);
  MessageWriter normalizer;
  normalizer.bytes(kName, "identity");
  normalizer.number(kAddDummyPrefix, list.add_space_prefix);
  normalizer.number(kRemoveExtraWhitespaces, 0);
  normalizer.number(kEscapeWhitespaces, 1);
  model.bytes(kNormalizer, normalizer.out);
  return std::move(model.out);
}

}  // namespace lathe
