#include "base/part_reader.h"

#include <algorithm>

namespace lathe {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;

}  // namespace

bool PartReader::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    dropped_ += static_cast<i64>(begin_);
    searched_ -= begin_;
    begin_ = 0;
  }
  const size_t before = buffer_.size();
  // Doubling keeps a large document from being moved again and again.
  const size_t room = before < most_bytes_ ? std::min(before, most_bytes_ - before) : 0;
  buffer_.resize(before + std::max(kReadBytes, room));
  const size_t got = source_->read(buffer_.data() + before, buffer_.size() - before);
  buffer_.resize(before + got);
  at_end_ = got == 0;
  return got > 0;
}

std::string_view PartReader::peek(size_t n) {
  while (buffered().size() < n && fill()) {
  }
  return buffered().substr(0, n);
}

std::string_view PartReader::peek_line() {
  for (size_t from = 0;;) {
    const size_t begin = buffered().find_first_not_of(" \t\r\n", from);
    from = std::min(begin, buffered().size());
    const size_t end = begin == buffered().npos ? begin : buffered().find('\n', begin);
    if (end != buffered().npos) return buffered().substr(0, std::min(end, most_bytes_));
    if (buffered().size() > most_bytes_ || !fill()) return buffered().substr(0, most_bytes_);
  }
}

bool PartReader::skip_to(i64 offset) {
  while (dropped_ + static_cast<i64>(buffer_.size()) < offset) {
    begin_ = searched_ = buffer_.size();
    if (!fill()) return false;
  }
  begin_ = searched_ = static_cast<size_t>(offset - dropped_);
  return true;
}

bool PartReader::next(std::string& part) {
  too_long_ = false;
  for (;;) {
    const size_t at = separator_.empty() ? std::string::npos : buffer_.find(separator_, searched_);
    if (at != std::string::npos) {
      too_long_ = too_long_ || at - begin_ > most_bytes_;
      part.assign(buffer_, begin_, too_long_ ? 0 : at - begin_);
      begin_ = searched_ = at + separator_.size();
      return true;
    }
    // The separator may lie across the border to what comes next.
    const size_t overlap =
        std::min(buffer_.size() - begin_, std::max<size_t>(separator_.size(), 1) - 1);
    searched_ = std::max(searched_, buffer_.size() - overlap);
    if (searched_ - begin_ > most_bytes_) {
      too_long_ = true;
      begin_ = searched_;  // nobody gets it, so that it need not be held
    }
    if (fill()) continue;
    too_long_ = too_long_ || buffer_.size() - begin_ > most_bytes_;
    if (too_long_) {
      part.clear();
    } else if (begin_ == 0) {
      part = std::move(buffer_);
      buffer_.clear();
      dropped_ += static_cast<i64>(part.size());
      begin_ = searched_ = 0;
      return !part.empty();
    } else {
      part.assign(buffer_, begin_);
    }
    begin_ = searched_ = buffer_.size();
    return too_long_ || !part.empty();
  }
}

}  // namespace lathe
