// A line of a terminal that is written again and again in place.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace lathe {

// The beginning of `text` that takes at most `columns` columns, made safe as by one_line().
// Characters from U+1100 on count as two columns, which wide ones take and others do not exceed.
std::string fit_columns(std::string_view text, int columns);

// Columns that `text` takes at most, counted as fit_columns() does.
int count_columns(std::string_view text);

// One thread at a time. Where `out` is no terminal nothing is written.
class TerminalLine {
 public:
  // Borrows `out`. A terminal that cannot rewrite a line (TERM=dumb) counts as none.
  explicit TerminalLine(std::FILE* out);
  ~TerminalLine() { clear(); }
  TerminalLine(const TerminalLine&) = delete;
  TerminalLine& operator=(const TerminalLine&) = delete;

  bool is_terminal() const { return is_terminal_; }
  // Columns that a line may take: one less than the terminal has now, asked anew each time, since
  // it may be resized and some wrap when the last one is filled. 79 where it does not say.
  int columns() const;
  // Shows `text` in place of what was shown, cut to columns(), and leaves the cursor on the line.
  void show(std::string_view text);
  // Leaves an empty line for what comes next.
  void clear();

 private:
  std::FILE* out_;
  bool is_terminal_;
  bool shown_ = false;
};

}  // namespace lathe
