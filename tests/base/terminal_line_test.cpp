// A line that is rewritten in place: never wider than the terminal, whatever is in it.
#include "base/terminal_line.h"

#include <doctest/doctest.h>

#include "support/error_text.h"
#include "support/terminal.h"

using namespace lathe;

TEST_CASE("fit_columns: cut at whole characters, wide ones are two columns, escapes spelt out") {
  CHECK(fit_columns("abcdef", 6) == "abcdef");
  CHECK(fit_columns("abcdef", 5) == "abcde");
  CHECK(fit_columns("Grüße", 4) == "Grüß");
  CHECK(fit_columns("世界", 4) == "世界");
  CHECK(fit_columns("世界", 3) == "世");
  CHECK(fit_columns("a\U0001F600", 2) == "a");
  CHECK(fit_columns("a\nb\033[2J", 100) == "a\\nb\\x1b[2J");
  CHECK(fit_columns("x\xff", 100) == "x\uFFFD");
  CHECK(fit_columns("abc", 0).empty());
  CHECK(count_columns("Grüße 世界") == 10);
}

TEST_CASE("a terminal line is cut to the columns that the terminal has at that moment") {
  ::setenv("TERM", "xterm", 1);
  test::Terminal terminal(20);
  std::FILE* out = ::fdopen(::dup(terminal.side_of_program()), "w");
  {
    TerminalLine line(out);
    REQUIRE(line.is_terminal());
    CHECK(line.columns() == 19);
    line.show("0123456789012345678901234567890");
    terminal.resize(9);
    line.show("0123456789");
    line.show("世界世界世界");
    terminal.resize(0);  // some do not say
    CHECK(line.columns() == 79);
    terminal.resize(1);
    line.show("xyz");
  }
  const test::Screen screen = test::screen_after(terminal.read(20));
  CHECK(screen.rows.empty());
  CHECK(screen.erased ==
        std::vector<std::string>{"0123456789012345678", "01234567", "世界世界", "x"});
  std::fclose(out);
}

TEST_CASE("a terminal line writes nothing where there is no terminal, or one that cannot") {
  std::FILE* file = std::tmpfile();
  {
    TerminalLine line(file);
    CHECK(!line.is_terminal());
    line.show("text");
  }
  CHECK(std::ftell(file) == 0);
  std::fclose(file);
  test::Terminal terminal(80);
  std::FILE* out = ::fdopen(::dup(terminal.side_of_program()), "w");
  ::setenv("TERM", "dumb", 1);
  CHECK(!TerminalLine(out).is_terminal());
  std::fclose(out);
}
