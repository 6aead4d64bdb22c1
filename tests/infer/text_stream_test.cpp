#include "infer/text_stream.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/utf8.h"

namespace lathe::infer {
namespace {

struct Streamed {
  std::string text;
  std::vector<std::string> pieces;
  bool stopped = false;
};

Streamed stream(const std::vector<std::string>& tokens, const std::vector<std::string>& stops) {
  TextStream s(stops);
  Streamed out;
  for (const std::string& token : tokens) {
    out.pieces.push_back(s.push(token));
    out.text += out.pieces.back();
    CHECK(valid_utf8_prefix(out.pieces.back()) == out.pieces.back().size());
  }
  out.text += s.finish();
  out.stopped = s.stopped();
  CHECK(valid_utf8_prefix(out.text) == out.text.size());
  return out;
}

std::vector<std::string> bytes_of(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) out.emplace_back(1, c);
  return out;
}

TEST_CASE("text_stream: characters come out whole, byte by byte input too") {
  const std::string text = "aé→😀z";
  const Streamed s = stream(bytes_of(text), {});
  CHECK(s.text == text);
  CHECK(s.pieces[0] == "a");
  CHECK(s.pieces[1] == "");
  CHECK(s.pieces[2] == "é");
  CHECK(s.pieces[5] == "→");
}

TEST_CASE("text_stream: what is no UTF-8 becomes U+FFFD at once, half a character at the end") {
  CHECK(stream({"a\xff", "b"}, {}).pieces[0] == "a\xEF\xBF\xBD");
  CHECK(stream({"\xC3", "b"}, {}).text ==
        "\xEF\xBF\xBD"
        "b");
  CHECK(stream({"\x80\x80"}, {}).pieces[0] == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(stream({"a\xE2\x86"}, {}).pieces[0] == "a");
  CHECK(stream({"a\xE2\x86"}, {}).text == "a\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(stream({"\xED\xA0", "x"}, {}).text.ends_with("x"));  // the beginning of a surrogate
  CHECK(stream({"\xE0\xA0", "\x80"}, {}).text == "\xE0\xA0\x80");
  CHECK(stream({"\xF0\x90", "\x80\x80"}, {}).text == "\xF0\x90\x80\x80");
  CHECK(stream({"\xF4\x8F", "\xBF\xBF"}, {}).text == "\xF4\x8F\xBF\xBF");
}

TEST_CASE("text_stream: a stop string ends the text, wherever token borders lie") {
  const std::string text = "one two STOP three";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const Streamed s = stream({text.substr(0, cut), text.substr(cut)}, {"STOP"});
    CHECK(s.text == "one two ");
    CHECK(s.stopped);
  }
  CHECK(stream(bytes_of(text), {"STOP", "two"}).text == "one ");
  CHECK(stream({text}, {"STOP", "two"}).text == "one ");
}

TEST_CASE(
    "text_stream: the beginning of a stop string is held back, and given out when it is none") {
  const Streamed s = stream({"abST", "O", "x"}, {"STOP"});
  CHECK(s.pieces == std::vector<std::string>{"ab", "", "STOx"});
  CHECK_FALSE(s.stopped);
  CHECK(stream({"abSTO"}, {"STOP"}).text == "abSTO");
  CHECK(stream(bytes_of("aab"), {"aab"}).text == "");
  CHECK(stream(bytes_of("aaab"), {"aab"}).text == "a");
}

TEST_CASE("text_stream: stop strings may cut through characters' bytes only as whole characters") {
  CHECK(stream(bytes_of("xé→y"), {"→"}).text == "xé");
}

TEST_CASE("text_stream: an empty stop string is an error") {
  CHECK_THROWS_AS(TextStream({"a", ""}), Error);
}

}  // namespace
}  // namespace lathe::infer
