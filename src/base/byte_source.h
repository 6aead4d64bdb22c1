// Bytes read from front to back, unpacked on the way where they are gzip or zstd.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/integer.h"

namespace lathe {

// One thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to n (> 0) bytes; 0 at the end. Throws Error, naming the file, when it cannot be read, is
  // damaged or stops before its compressed stream ends.
  virtual size_t read(char* out, size_t n) = 0;
  // Bytes read so far of what lies on the disk, packed or not.
  virtual i64 bytes_taken() const = 0;
};

// What errors call standard input.
inline constexpr const char* kStandardInput = "standard input";

// The bytes of a file, unpacked; those of standard input.
std::unique_ptr<ByteSource> open_byte_source(const std::string& path);
std::unique_ptr<ByteSource> open_standard_input();

// The same for bytes from anywhere. What is packed shows in the bytes themselves; a name that says
// so (.gz, .zst) of bytes that are not is an error, of no bytes at all too. Reads here already.
// A zstd window may have up to 2 GiB (zstd --long=31), memory that is taken as it is filled.
std::unique_ptr<ByteSource> unpack(std::unique_ptr<ByteSource> source, const std::string& name);

}  // namespace lathe
