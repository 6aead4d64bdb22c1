// What is shown of bytes that need not be text.
#include "base/utf8.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace lathe;

TEST_CASE("one_line: bytes that are no UTF-8 become as many U+FFFD as in Python's decode()") {
  // Counted by bytes.decode("utf-8", "replace").
  const auto n_replaced = [](std::string_view text) {
    const std::string shown = one_line(text);
    int n = 0;
    for (size_t at = 0; (at = shown.find("\uFFFD", at)) != shown.npos; at += 3) ++n;
    return n;
  };
  CHECK(n_replaced("\xff") == 1);
  CHECK(n_replaced("\xe2\x82") == 1);
  CHECK(n_replaced("\xf0\x9f\x98") == 1);
  CHECK(n_replaced("\xf4\x8f\xbf") == 1);
  CHECK(n_replaced("\xed\xa0\x80") == 3);  // a surrogate
  CHECK(n_replaced("\xc0\x80") == 2);
  CHECK(n_replaced("\xe0\x80\x80") == 3);
  CHECK(n_replaced("\xf4\x90\x80\x80") == 4);
  CHECK(n_replaced("\x80\x80") == 2);
  CHECK(one_line("\xe2\x82"
                 "A") == "\uFFFDA");
  CHECK(one_line("\xf0\x9f"
                 "A") == "\uFFFDA");
  CHECK(one_line("\xf0\x9f\x98\xf0\x9f\x98\x80") == "\uFFFD\U0001F600");
  CHECK(one_line("\xc3\xc3\xa9") == "\uFFFDé");
  CHECK(one_line("\xe1\x80\xe2\x80\x90") == "\uFFFD\u2010");
}

TEST_CASE("one_line: control characters of both sets are spelt out, all other text stays") {
  CHECK(one_line("a\nb\tc\x1b[2J\x7f") == "a\\nb\\x09c\\x1b[2J\\x7f");
  CHECK(one_line(std::string_view("\0x", 2)) == "\\x00x");
  CHECK(one_line("\u009b"
                 "31m") == "\\x9b31m");  // some terminals obey it as they do ESC [
  CHECK(one_line("\u00a0Grüße, 世界 \U0001F600 \\n") == "\u00a0Grüße, 世界 \U0001F600 \\n");
  CHECK(one_line("").empty());
}
