#include "base/byte_source.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/integer.h"
#include "base/packing.h"

namespace lathe {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 17;
constexpr int kMostZstdWindowLog = 31;  // zstd's own limit

// An open file; closes it.
class FileSource : public ByteSource {
 public:
  FileSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  size_t read(char* out, size_t n) override {
    for (;;) {
      const ssize_t got = ::read(fd_, out, n);
      if (got >= 0) {
        taken_ += got;
        return static_cast<size_t>(got);
      }
      if (errno != EINTR) fail_errno(format("[read] cannot read '{}'", name_));
    }
  }
  i64 bytes_taken() const override { return taken_; }

 private:
  int fd_;
  i64 taken_ = 0;
  std::string name_;
};

// Bytes that have been looked at, then the rest of their source.
class PeekedSource : public ByteSource {
 public:
  PeekedSource(std::string head, std::unique_ptr<ByteSource> rest)
      : head_(std::move(head)), rest_(std::move(rest)) {}

  size_t read(char* out, size_t n) override {
    if (given_ == head_.size()) return rest_->read(out, n);
    const size_t got = head_.copy(out, n, given_);
    given_ += got;
    return got;
  }
  i64 bytes_taken() const override { return rest_->bytes_taken(); }

 private:
  std::string head_;
  size_t given_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

// The first bytes of `source`: as many as tell how it is packed, fewer where they already tell that
// it is not, so that a line from a terminal is not held back.
std::string peek(ByteSource& source) {
  std::string head;
  char byte = 0;
  while (may_become_packed(head) && source.read(&byte, 1) > 0) {
    head += byte;
  }
  return head;
}

[[noreturn]] void fail_cut_short(const std::string& name) {
  fail(
      "[read] '{}' ends in the middle of its compressed data, expected a whole file; copy it again",
      name);
}

class GzipSource : public ByteSource {
 public:
  GzipSource(std::unique_ptr<ByteSource> compressed, std::string name)
      : compressed_(std::move(compressed)), name_(std::move(name)), input_(kChunkBytes) {
    // 16: a gzip header is expected.
    LATHE_CHECK(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK);
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  size_t read(char* out, size_t n) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(std::min(n, kChunkBytes));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0 && !refill()) {
        if (in_member_) fail_cut_short(name_);
        return 0;
      }
      // A file may be several members one after the other.
      if (!in_member_) inflateReset(&stream_);
      in_member_ = true;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        in_member_ = false;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        fail("[read] '{}' is not gzip or is damaged ({})", name_,
             stream_.msg != nullptr ? stream_.msg : "no reason given");
      }
    }
    return room - stream_.avail_out;
  }
  i64 bytes_taken() const override { return compressed_->bytes_taken(); }

 private:
  bool refill() {
    const size_t got = compressed_->read(input_.data(), input_.size());
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  std::unique_ptr<ByteSource> compressed_;
  std::string name_;
  std::vector<char> input_;
  z_stream stream_{};
  bool in_member_ = true;  // a file without a first member is cut short
};

struct FreeZstd {
  void operator()(ZSTD_DCtx* p) const { ZSTD_freeDCtx(p); }
};

class ZstdSource : public ByteSource {
 public:
  ZstdSource(std::unique_ptr<ByteSource> compressed, std::string name)
      : compressed_(std::move(compressed)),
        name_(std::move(name)),
        input_(kChunkBytes),
        context_(ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    LATHE_CHECK(!ZSTD_isError(
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMostZstdWindowLog)));
  }

  size_t read(char* out, size_t n) override {
    ZSTD_outBuffer output{out, n, 0};
    while (output.pos == 0) {
      if (buffer_.pos == buffer_.size && !refill() && !pending_output_) {
        if (in_frame_) fail_cut_short(name_);
        return 0;
      }
      const size_t before = buffer_.pos;
      const size_t status = ZSTD_decompressStream(context_.get(), &output, &buffer_);
      if (ZSTD_isError(status)) {
        if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge) {
          fail(
              "[read] '{}' needs a zstd window of more than {} MiB, expected at most that; pack it "
              "again with --long={}",
              name_, (i64{1} << kMostZstdWindowLog) >> 20, kMostZstdWindowLog);
        }
        fail("[read] '{}' is not zstd or is damaged ({})", name_, ZSTD_getErrorName(status));
      }
      in_frame_ = status != 0;
      // A full output buffer may leave decompressed bytes inside the context.
      pending_output_ = in_frame_ && output.pos == output.size;
      if (output.pos == 0 && buffer_.pos == before && buffer_.size == 0) {
        if (in_frame_) fail_cut_short(name_);
        return 0;
      }
    }
    return output.pos;
  }
  i64 bytes_taken() const override { return compressed_->bytes_taken(); }

 private:
  bool refill() {
    const size_t got = compressed_->read(input_.data(), input_.size());
    buffer_ = {input_.data(), got, 0};
    return got > 0;
  }

  std::unique_ptr<ByteSource> compressed_;
  std::string name_;
  std::vector<char> input_;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> context_;
  ZSTD_inBuffer buffer_{nullptr, 0, 0};
  bool in_frame_ = true;  // a file without a first frame is cut short
  bool pending_output_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> open_byte_source(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno(format("[read] cannot open '{}'", path));
  return unpack(std::make_unique<FileSource>(fd, path), path);
}

std::unique_ptr<ByteSource> open_standard_input() {
  const int fd = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) fail_errno(format("[read] cannot read {}", kStandardInput));
  return unpack(std::make_unique<FileSource>(fd, kStandardInput), kStandardInput);
}

std::unique_ptr<ByteSource> unpack(std::unique_ptr<ByteSource> source, const std::string& name) {
  std::string head = peek(*source);
  Packing packing = packing_of(head);
  if (packing == Packing::kNone) packing = packing_named(name);
  auto whole = std::make_unique<PeekedSource>(std::move(head), std::move(source));
  if (packing == Packing::kGzip) return std::make_unique<GzipSource>(std::move(whole), name);
  if (packing == Packing::kZstd) return std::make_unique<ZstdSource>(std::move(whole), name);
  return whole;
}

}  // namespace lathe
