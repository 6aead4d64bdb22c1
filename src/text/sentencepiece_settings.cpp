#include "text/sentencepiece_settings.h"

#include <cstdint>

#include "text/protobuf_fields.h"

namespace lathe {
namespace {

constexpr uint64_t kBpe = 2;  // model_type; 1, unigram, is the default

void read_normalizer(std::string_view message, SentencePieceSettings& settings) {
  ProtobufFields reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.number == 2) settings.normalizes = !field.bytes.empty();
    if (field.number == 3) settings.add_dummy_prefix = field.value != 0;
    if (field.number == 4) settings.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5) settings.escape_whitespaces = field.value != 0;
  }
  settings.readable = settings.readable && reader.ok();
}

void read_trainer(std::string_view message, SentencePieceSettings& settings) {
  ProtobufFields reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.number == 3) settings.merges_pairs = field.value == kBpe;
    if (field.number == 24) settings.whitespace_is_suffix = field.value != 0;
  }
  settings.readable = settings.readable && reader.ok();
}

}  // namespace

SentencePieceSettings parse_sentencepiece_settings(std::string_view model) {
  SentencePieceSettings settings;
  ProtobufFields reader(model);
  for (ProtobufField field; reader.next(field);) {
    if (field.number == 2) read_trainer(field.bytes, settings);
    if (field.number == 3) read_normalizer(field.bytes, settings);
  }
  settings.readable = settings.readable && reader.ok();
  return settings;
}

}  // namespace lathe
