// GGUF files byte by byte, well-formed or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::test {

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class GgufBytes {
 public:
  GgufBytes(uint64_t n_tensors, uint64_t n_values, uint32_t version = 3) {
    out_ = "GGUF";
    number(version).number(n_tensors).number(n_values);
  }
  template <class T>
  GgufBytes& number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufBytes& text(std::string_view value) {
    number<uint64_t>(value.size());
    out_ += value;
    return *this;
  }
  // A key and its value's type; the value comes next.
  GgufBytes& key(std::string_view name, uint32_t type) { return text(name).number(type); }
  // The extents as the format has them, fastest first.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                    uint64_t offset) {
    text(name).number(static_cast<uint32_t>(extents.size()));
    for (const uint64_t e : extents) number(e);
    return number(type).number(offset);
  }
  // The file with so many bytes of data.
  std::string data(size_t n) const {
    std::string file = out_;
    file.append((32 - file.size() % 32) % 32, '\0');
    return file + std::string(n, '\x3c');
  }

 private:
  std::string out_;
};

}  // namespace lathe::test
