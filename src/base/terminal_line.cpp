#include "base/terminal_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/utf8.h"

namespace lathe {

namespace {

constexpr const char* kEraseLine = "\r\033[K";

// `safe` is what one_line() gives: well-formed, without control characters.
int columns_of(const CodePoint& c) { return c.value < 0x1100 ? 1 : 2; }

}  // namespace

std::string fit_columns(std::string_view text, int columns) {
  const std::string safe = one_line(text);
  size_t end = 0;
  for (int used = 0; end < safe.size();) {
    const CodePoint c = read_code_point(std::string_view(safe).substr(end));
    used += columns_of(c);
    if (used > columns) break;
    end += c.length;
  }
  return safe.substr(0, end);
}

int count_columns(std::string_view text) {
  const std::string safe = one_line(text);
  int used = 0;
  for (size_t at = 0; at < safe.size();) {
    const CodePoint c = read_code_point(std::string_view(safe).substr(at));
    used += columns_of(c);
    at += c.length;
  }
  return used;
}

TerminalLine::TerminalLine(std::FILE* out) : out_(out) {
  const char* kind = std::getenv("TERM");
  is_terminal_ = ::isatty(::fileno(out)) == 1 && std::string_view(kind ? kind : "") != "dumb";
}

int TerminalLine::columns() const {
  winsize size = {};
  const bool known = ::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return std::max(1, (known ? size.ws_col : 80) - 1);
}

void TerminalLine::show(std::string_view text) {
  if (!is_terminal_) return;
  // One write, so that what others write does not come between.
  const std::string line = kEraseLine + fit_columns(text, columns());
  std::fputs(line.c_str(), out_);
  std::fflush(out_);
  shown_ = true;
}

void TerminalLine::clear() {
  if (!shown_) return;
  std::fputs(kEraseLine, out_);
  std::fflush(out_);
  shown_ = false;
}

}  // namespace lathe
