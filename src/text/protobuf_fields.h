// The fields of a protobuf message, as far as SentencePiece's models need it. Private to
// src/text/sentencepiece_*.cpp.
#pragma once

#include <cstdint>
#include <string_view>

namespace lathe {

// One field of a protobuf message: a number, or bytes.
struct ProtobufField {
  uint64_t number = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

// Goes through the fields of a message, of any bytes; `ok` turns false at bytes that are none.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view bytes) : rest_(bytes) {}

  bool next(ProtobufField& field) {
    if (rest_.empty() || !ok_) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
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

}  // namespace lathe
