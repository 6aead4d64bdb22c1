#include "text/sentencepiece_settings.h"

#include <cstdint>

namespace lathe {
namespace {

constexpr uint64_t kBpe = 2;  // model_type; 1, unigram, is the default

// One field of a protobuf message: a number, or bytes.
struct Field {
  uint64_t number = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

// Goes through the fields of a message; `ok` turns false at bytes that are none.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  bool next(Field& field) {
    if (rest_.empty() || !ok_) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        take(4);
        break;
      default:
        ok_ = false;
    }
    return ok_;
  }
  bool ok() const { return ok_; }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = take(1);
      if (!ok_) return 0;
      const auto bits = static_cast<uint8_t>(byte[0]);
      value |= uint64_t{bits & 0x7Fu} << shift;
      if (bits < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  std::string_view take(uint64_t n) {
    if (n > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
};

void read_normalizer(std::string_view message, SentencePieceSettings& settings) {
  FieldReader reader(message);
  for (Field field; reader.next(field);) {
    if (field.number == 2) settings.normalizes = !field.bytes.empty();
    if (field.number == 3) settings.add_dummy_prefix = field.value != 0;
    if (field.number == 4) settings.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5) settings.escape_whitespaces = field.value != 0;
  }
  settings.readable = settings.readable && reader.ok();
}

void read_trainer(std::string_view message, SentencePieceSettings& settings) {
  FieldReader reader(message);
  for (Field field; reader.next(field);) {
    if (field.number == 3) settings.merges_pairs = field.value == kBpe;
    if (field.number == 24) settings.whitespace_is_suffix = field.value != 0;
  }
  settings.readable = settings.readable && reader.ok();
}

}  // namespace

SentencePieceSettings parse_sentencepiece_settings(std::string_view model) {
  SentencePieceSettings settings;
  FieldReader reader(model);
  for (Field field; reader.next(field);) {
    if (field.number == 2) read_trainer(field.bytes, settings);
    if (field.number == 3) read_normalizer(field.bytes, settings);
  }
  settings.readable = settings.readable && reader.ok();
  return settings;
}

}  // namespace lathe
