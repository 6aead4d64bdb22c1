#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/error.h"

namespace lathe {
namespace {

// Closes the descriptor however the constructor is left; the map outlives it.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_errno(format("[mapped_file] cannot open '{}'", path));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail_errno(format("[mapped_file] cannot stat '{}'", path));
  if (!S_ISREG(info.st_mode)) {
    fail("[mapped_file] '{}' is {}, expected a regular file; give the path of a file", path,
         S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
  }
  const size_t size = static_cast<size_t>(info.st_size);
  if (size == 0) return;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd, 0);
  if (address == MAP_FAILED) {
    fail_errno(format("[mapped_file] cannot map '{}' ({} bytes)", path, size));
  }
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() { close(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

void MappedFile::close() noexcept {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  bytes_ = {};
}

void MappedFile::read_ahead() const {
#ifdef MADV_POPULATE_READ
  if (bytes_.empty()) return;
  // madvise() wants a pointer to what it may change, and changes nothing here.
  ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_POPULATE_READ);
#endif
}

}  // namespace lathe
