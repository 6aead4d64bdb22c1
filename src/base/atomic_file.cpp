#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace lathe {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 18;

// Where a write to `path` must end up: behind links, so that renaming does not replace the link.
std::string resolve_links(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_symlink(path, ignored)) return path;
  const std::filesystem::path target = std::filesystem::weakly_canonical(path, ignored);
  return ignored ? path : target.string();
}

bool is_device_or_pipe(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

void write_all(int fd, const char* data, size_t n, const std::string& path) {
  while (n > 0) {
    const ssize_t written = ::write(fd, data, n);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_errno(format("[write] cannot write '{}'", path));
    data += written;
    n -= static_cast<size_t>(written);
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(resolve_links(path)) {
  if (is_device_or_pipe(path_)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    const std::string base = path_ + ".tmp-" + std::to_string(::getpid());
    temporary_ = base;
    // A second writer of the same target in this process gets a name of its own.
    for (int i = 2; i < 1000; ++i) {
      fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd_ >= 0 || errno != EEXIST) break;
      temporary_ = base + "-" + std::to_string(i);
    }
  }
  if (fd_ < 0) {
    const int code = errno;
    temporary_.clear();
    errno = code;
    fail_errno(format("[write] cannot create '{}'", path_));
  }
  buffer_.reserve(kBufferBytes);
}

AtomicFile::AtomicFile(const std::string& path, std::string temporary, uint64_t size)
    : path_(path), temporary_(std::move(temporary)), stays_(true), size_(size) {
  if (size > 0 && ::access(temporary_.c_str(), F_OK) != 0) {
    ::rename(path_.c_str(), temporary_.c_str());
  }
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  struct stat info {};
  if (fd_ < 0 || ::fstat(fd_, &info) != 0)
    fail_errno(format("[write] cannot open '{}'", temporary_));
  if (static_cast<uint64_t>(info.st_size) < size) {
    const int fd = std::exchange(fd_, -1);
    ::close(fd);
    fail("[write] '{}' has {} bytes, expected at least the {} written before; begin anew",
         temporary_, info.st_size, size);
  }
  const auto end = static_cast<off_t>(size);
  if (::ftruncate(fd_, end) != 0 || ::lseek(fd_, end, SEEK_SET) != end) {
    fail_errno(format("[write] cannot cut '{}'", temporary_));
  }
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty() && !stays_) ::unlink(temporary_.c_str());
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      stays_(other.stays_),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      buffer_(std::move(other.buffer_)) {}

void AtomicFile::write(const void* data, size_t n) {
  LATHE_CHECK(fd_ >= 0);
  const char* bytes = static_cast<const char*>(data);
  size_ += n;
  if (buffer_.size() + n > kBufferBytes) flush();
  if (n >= kBufferBytes) {
    write_all(fd_, bytes, n, path_);
  } else {
    buffer_.insert(buffer_.end(), bytes, bytes + n);
  }
}

void AtomicFile::write_at(uint64_t offset, const void* data, size_t n) {
  LATHE_CHECK(fd_ >= 0 && offset <= size_ && n <= size_ - offset);
  flush();
  const char* bytes = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t written = ::pwrite(fd_, bytes, n, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_errno(format("[write] cannot write '{}'", path_));
    bytes += written;
    offset += static_cast<uint64_t>(written);
    n -= static_cast<size_t>(written);
  }
}

void AtomicFile::flush() {
  write_all(fd_, buffer_.data(), buffer_.size(), path_);
  buffer_.clear();
}

void AtomicFile::sync() {
  LATHE_CHECK(fd_ >= 0);
  flush();
  if (::fsync(fd_) != 0) fail_errno(format("[write] cannot flush '{}'", path_));
}

void AtomicFile::commit() {
  LATHE_CHECK(fd_ >= 0);
  const bool renames = !temporary_.empty();
  if (renames) {
    sync();
  } else {
    flush();
  }
  if (::close(std::exchange(fd_, -1)) != 0) fail_errno(format("[write] cannot close '{}'", path_));
  if (!renames) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail_errno(format("[write] cannot rename '{}' to '{}'", temporary_, path_));
  }
  temporary_.clear();
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  sync_folder(folder.empty() ? "." : folder.string());
}

void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_errno(format("[write] cannot open the folder '{}'", path));
  const int failed = ::fsync(fd);
  const int code = errno;
  ::close(fd);
  // Some network file systems cannot sync a folder and say EINVAL; there is nothing to do then.
  if (failed != 0 && code != EINVAL) {
    errno = code;
    fail_errno(format("[write] cannot flush the folder '{}'", path));
  }
}

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == name.npos;
}

std::string read_text_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno(format("[read] cannot open '{}'", path));
  std::string content;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    content.reserve(static_cast<size_t>(info.st_size) + 1);
  }
  char chunk[1 << 16];
  for (;;) {
    const ssize_t got = ::read(fd, chunk, sizeof chunk);
    if (got > 0) content.append(chunk, static_cast<size_t>(got));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) {
      const int code = errno;
      ::close(fd);
      errno = code;
      fail_errno(format("[read] cannot read '{}'", path));
    }
  }
  ::close(fd);
  return content;
}

}  // namespace lathe
