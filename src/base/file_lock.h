// Exclusive use of something among processes: a lock on a file that stands for it.
#pragma once

#include <optional>
#include <string>

namespace lathe {

// Held while it lives. The kernel lets go of it when the process ends, however that happens, and no
// child process inherits it.
class FileLock {
 public:
  // Nothing where it is held already, by whomever. Makes the file where it is missing; it stays
  // behind, empty. Where the file system has no locks, it is given to everybody. Error where the
  // file cannot be opened.
  static std::optional<FileLock> try_take(const std::string& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace lathe
