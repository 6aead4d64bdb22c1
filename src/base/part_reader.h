// A stream cut at a separator: lines, or documents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/integer.h"

namespace lathe {

// Holds one part at a time, and no more than a part may have. One thread at a time.
class PartReader {
 public:
  // separator "": the whole is one part.
  PartReader(std::unique_ptr<ByteSource> source, std::string separator)
      : source_(std::move(source)), separator_(std::move(separator)) {}

  // Moves the bytes up to the next separator (without it), or those left, to `part`; it may be
  // empty. False when nothing is left.
  bool next(std::string& part);
  // Whether that part had more bytes than are allowed: it has been passed by, and `part` is empty.
  bool was_too_long() const { return too_long_; }

  // The next n bytes without taking them; fewer only where the stream has no more. Good until the
  // next call.
  std::string_view peek(size_t n);
  // The next line that is not blank, with the blank ones before it, without taking it; the rest
  // where no line ends any more, and of one that is too long no more than its front.
  std::string_view peek_line();
  // What has been read already and not taken.
  std::string_view buffered() const { return std::string_view(buffer_).substr(begin_); }
  // Bytes from the start of the stream to what comes next.
  i64 offset() const { return dropped_ + static_cast<i64>(begin_); }

  // Passes by what comes before `offset`; false where the stream ends before.
  bool skip_to(i64 offset);
  // Before anything has been taken.
  void set_separator(std::string separator) { separator_ = std::move(separator); }
  void set_most_bytes(size_t most_bytes) { most_bytes_ = most_bytes; }
  // As of the source.
  i64 bytes_taken() const { return source_->bytes_taken(); }
  // Reads more; false at the end.
  bool fill();

 private:
  std::unique_ptr<ByteSource> source_;
  std::string separator_;
  std::string buffer_;  // read but not yet taken, from `begin_` on
  size_t begin_ = 0;
  size_t searched_ = 0;  // no separator starts in buffer_[begin_, searched_)
  i64 dropped_ = 0;      // bytes of the stream before buffer_
  size_t most_bytes_ = std::numeric_limits<size_t>::max();
  bool too_long_ = false;
  bool at_end_ = false;
};

}  // namespace lathe
