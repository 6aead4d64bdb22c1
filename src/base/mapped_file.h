// Read-only memory map of a whole file. Closes itself; the bytes live as long as the object.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace lathe {

class MappedFile {
 public:
  // Maps all of `path`, a regular file. Throws Error when it cannot be opened or mapped.
  // An empty file is an empty span.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Page-aligned. A file that somebody cuts short while it is mapped raises SIGBUS on access.
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }
  // Brings all of it into memory now, rather than page by page when it is first used. Nothing is
  // wrong where the system has no such call.
  void read_ahead() const;

 private:
  void close() noexcept;

  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace lathe
