// Bytes read from front to back, decompressed on the way where their name ends in .gz or .zst.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace lathe {

// One thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to n (> 0) bytes; 0 at the end. Throws Error, naming the file, when it cannot be read, is
  // damaged or stops before its compressed stream ends.
  virtual size_t read(char* out, size_t n) = 0;
};

// The bytes of a file.
std::unique_ptr<ByteSource> open_byte_source(const std::string& path);

// The same for bytes from anywhere: what `source` holds, where `name` says that it is compressed.
std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> source, const std::string& name);

}  // namespace lathe
