// Walks over bytes from outside without ever leaving them. Little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace lathe {

static_assert(std::endian::native == std::endian::little);

// Borrows the bytes. Every step that would leave them is an Error "AREA WHERE: …", which names the
// place and what was being read.
class ByteReader {
 public:
  // `area` and `where` begin the errors: "[gguf]", the file's path.
  ByteReader(std::span<const std::byte> bytes, std::string area, std::string where)
      : bytes_(bytes), area_(std::move(area)), where_(std::move(where)) {}

  // The next number, as `what`.
  template <class T>
  requires std::is_arithmetic_v<T> T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  // The next n bytes.
  std::span<const std::byte> take(uint64_t n, std::string_view what) {
    if (n > remaining()) end_of_bytes(n, what);
    const auto taken = bytes_.subspan(at_, static_cast<size_t>(n));
    at_ += static_cast<size_t>(n);
    return taken;
  }
  std::string text(uint64_t n, std::string_view what) {
    const auto taken = take(n, what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  size_t position() const { return at_; }
  size_t remaining() const { return bytes_.size() - at_; }

 private:
  [[noreturn]] void end_of_bytes(uint64_t n, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::string area_, where_;
  size_t at_ = 0;
};

}  // namespace lathe
