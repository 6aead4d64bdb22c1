#include "infer/text_stream.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace lathe::infer {

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Bytes a character that begins with `lead` takes, 0 where none begins so.
size_t character_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// Whether `tail` is the beginning of a well-formed character that wants more bytes.
bool is_unfinished(std::string_view tail) {
  const size_t want = character_length(static_cast<unsigned char>(tail[0]));
  if (want <= tail.size()) return false;
  // Complete it: what cannot become a character by any continuation is not unfinished but wrong.
  for (const char fill : {'\x80', '\xBF', '\x90', '\xA0'}) {
    std::string whole(tail);
    whole.append(want - tail.size(), fill);
    if (read_code_point(whole).length == want) return true;
  }
  return false;
}

}  // namespace

TextStream::TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) fail("[generate] an empty stop string; leave it out");
  }
}

// The first n held bytes as UTF-8.
std::string TextStream::take(size_t n) {
  std::string out;
  std::string_view rest = std::string_view(held_).substr(0, n);
  while (!rest.empty()) {
    const size_t good = valid_utf8_prefix(rest);
    out.append(rest.substr(0, good));
    rest.remove_prefix(good);
    if (rest.empty()) break;
    out += kReplacement;
    rest.remove_prefix(1);
  }
  held_.erase(0, n);
  return out;
}

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return "";
  held_ += bytes;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    std::string out = take(first);
    held_.clear();
    return out;
  }
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(held_.size(), stop.size() - 1); n > keep; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
    }
  }
  const size_t sure = held_.size() - keep;
  // A character unfinished at the end of what is sure.
  for (size_t back = std::min<size_t>(3, sure); back > 0; --back) {
    if (is_unfinished(std::string_view(held_).substr(sure - back, back))) return take(sure - back);
  }
  return take(sure);
}

std::string TextStream::finish() {
  if (stopped_) return "";
  return take(held_.size());
}

}  // namespace lathe::infer
