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
  buffer_.resize(before + std::max(kReadBytes, before));
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
    if (end != buffered().npos) return buffered().substr(0, end);
    if (!fill()) return buffered();
  }
}

bool PartReader::next(std::string& part) {
  for (;;) {
    const size_t at = separator_.empty() ? std::string::npos : buffer_.find(separator_, searched_);
    if (at != std::string::npos) {
      part.assign(buffer_, begin_, at - begin_);
      begin_ = searched_ = at + separator_.size();
      return true;
    }
    // The separator may lie across the border to what comes next.
    const size_t overlap =
        std::min(buffer_.size() - begin_, std::max<size_t>(separator_.size(), 1) - 1);
    searched_ = std::max(searched_, buffer_.size() - overlap);
    if (fill()) continue;
    part.assign(buffer_, begin_);
    begin_ = searched_ = buffer_.size();
    return !part.empty();
  }
}

}  // namespace lathe
