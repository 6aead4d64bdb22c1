// Files that are either whole or not there: written to a temporary name beside the target, flushed
// to the disk, then renamed over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

// One thread at a time. Every failed system call throws Error with the path and the reason.
class AtomicFile {
 public:
  // Opens `PATH.tmp-PID`. A symbolic link is followed, so that the link stays and its target is
  // replaced. A target that is a device or a pipe (/dev/stdout, /dev/full) is written directly.
  explicit AtomicFile(const std::string& path);
  // Opens `temporary`, a name beside `path` that later processes know too: what is there is gone on
  // with from `size` bytes, of which it must have as many; 0: anew. What has been committed already
  // is taken back. Without commit() it stays.
  AtomicFile(const std::string& path, std::string temporary, uint64_t size);
  // Removes the temporary file unless commit() has been called, or its name is known.
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Appends n bytes (buffered: a full disk may be reported by a later call).
  void write(const void* data, size_t n);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Overwrites n bytes at `offset`, all of which have been written before (headers).
  void write_at(uint64_t offset, const void* data, size_t n);
  // Bytes written so far by write().
  uint64_t size() const { return size_; }
  // Flush and fsync: what has been written is there whatever happens.
  void sync();
  // Flush, fsync, rename over the target, fsync of its folder. No writing afterwards.
  void commit();

  const std::string& path() const { return path_; }
  // Where the bytes lie until commit(); "" for a device or pipe.
  const std::string& temporary_path() const { return temporary_; }

 private:
  void flush();

  std::string path_;       // the target, links resolved
  std::string temporary_;  // empty: `path_` itself is written, or nothing is left to remove
  bool stays_ = false;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::vector<char> buffer_;
};

// Flushes a folder's list of names to the disk, since a rename is there only once its folder is.
// Not an error where the file system cannot do that.
void sync_folder(const std::string& path);

// The whole of `content` under `path`, or an Error and the old file.
void write_file_atomically(const std::string& path, std::string_view content);

// Whether `name`, from a file of someone else's, stays inside the folder it is put behind: no path,
// not "." or "..", and no NUL, at which the system would cut it.
bool is_plain_file_name(std::string_view name);

// All bytes of a file or pipe. Throws Error when it cannot be read.
std::string read_text_file(const std::string& path);

}  // namespace lathe
