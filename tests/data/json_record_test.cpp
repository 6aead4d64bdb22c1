// The text of a line of JSON lines.
#include "data/json_record.h"

#include <doctest/doctest.h>

#include "support/error_text.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;

std::string text_of(const std::string& line) { return parse_json_line(line, "f:1").text; }
std::string error_of(const std::string& line) {
  return error_text([&] { text_of(line); });
}

TEST_CASE("json record: text with every escape") {
  CHECK(text_of(R"({"text":"\"\\\/\b\f\n\r\t"})") == "\"\\/\b\f\n\r\t");
  CHECK(text_of(R"({"text":"\u0041\u00e9\u20AC\ud83d\uDE00"})") == "Aé€😀");
  CHECK(text_of(R"({"text":"a\u0000b"})") == std::string("a\0b", 3));
  CHECK(text_of(" \t{ \"text\" : \"a\" } \r") == "a");
  CHECK(text_of("\xEF\xBB\xBF{\"text\":\"a\"}") == "a");
  CHECK(text_of(R"({"\u0074ext":"key in escapes"})") == "key in escapes");
}

TEST_CASE("json record: the text of the outermost object, the last of several") {
  CHECK(text_of(R"({"meta":{"text":"x","y":[{"text":[]},{}]},"text":"a","z":[]})") == "a");
  CHECK(text_of(R"({"text":"a","text":"b"})") == "b");
  CHECK(contains(error_of(R"({"text":"a","text":null})"), "f:1: no text under"));
  CHECK(contains(error_of("{}"), "f:1: no text under"));
  CHECK(contains(error_of(R"({"a":{"text":"x"}})"), "f:1: no text under"));
}

TEST_CASE("json record: a prompt and a completion are one text, where there is no other") {
  const auto read = [](const std::string& line, const RecordKeys& keys = {}) {
    const PromptedText record = parse_json_line(line, "f:1", keys);
    return record.text + "/" + std::to_string(record.prompt_bytes);
  };
  CHECK(read(R"({"completion":" yes","n":1,"prompt":"ask?\u00e9"})") == "ask?é yes/6");
  CHECK(read(R"({"prompt":"","completion":"yes"})") == "yes/0");
  CHECK(read(R"({"prompt":"ask","completion":""})") == "ask/3");
  CHECK(read(R"({"prompt":"ask","completion":"yes","text":"whole"})") == "whole/0");
  CHECK(read(R"({"prompt":"\ud800","completion":"yes","text":"whole"})") == "whole/0");
  CHECK(read(R"({"q":"a","a":"b"})", {.text = "t", .prompt = "q", .completion = "a"}) == "ab/1");
  CHECK(contains(error_of(R"({"prompt":"ask"})"),
                 "a text under \"prompt\" and none under \"completion\""));
  CHECK(contains(error_of(R"({"prompt":1,"completion":"yes"})"),
                 "a text under \"completion\" and none under \"prompt\""));
  CHECK(contains(error_of(R"({"prompt":"\ud800","completion":"yes"})"), "half of a surrogate"));
  CHECK(contains(error_of("{}"), "or {\"prompt\": …, \"completion\": …}"));
}

TEST_CASE("json record: fields that are not read may hold whatever JSON allows") {
  CHECK(text_of(R"({"a":1e999,"b":-0.5E-9999,"text":"x","c":123456789012345678901234567890})") ==
        "x");
  CHECK(text_of(R"({"a":"\ud800","b":["\udc00\ud83d"],"\ud800":1,"text":"x"})") == "x");
  CHECK(text_of(R"({"a":true,"b":false,"c":null,"d":[[],[1,"2",{}]],"e":0,"text":"x"})") == "x");
  const std::string deep(200'000, '[');
  CHECK(text_of("{\"a\":" + deep + std::string(200'000, ']') + ",\"text\":\"x\"}") == "x");
}

TEST_CASE("json record: what is not JSON is said with its place") {
  CHECK(contains(error_of(R"({"a":NaN,"text":"x"})"), "f:1: not JSON at byte 6: found 'NaN'"));
  CHECK(contains(error_of(R"({"a":-Infinity,"text":"x"})"), "at byte 6: found '-Infinity'"));
  CHECK(contains(error_of(R"({"text":"a\ud800"})"), "at byte 11: found '\\ud800"));
  CHECK(contains(error_of(R"({"text":"\udc00"})"), "half of a surrogate pair"));
  CHECK(contains(error_of(R"({"text":"\ud800\ud83d\ude00"})"), "at byte 10: "));
  CHECK(contains(error_of("{\"text\":\"x\"}{"), "at byte 13: found '{', expected the end"));
  CHECK(contains(error_of("{\"text\":\"x\"}" + std::string(1, '\0')), "at byte 13: found a NUL"));
  CHECK(contains(error_of("{\"text\":\"\xC3\"}"), "at byte 10: found the byte 0xc3"));
  for (const char* line : {"",
                           "{",
                           "[]",
                           "\"text\"",
                           "{text:1}",
                           "{\"text\"}",
                           "{\"text\":}",
                           "{\"text\":\"x\",}",
                           "{\"text\":\"x\"",
                           "{\"text\":\"x",
                           "{\"text\":\"\\x\"}",
                           "{\"text\":\"\\u12\"}",
                           "{\"text\":\"a\tb\"}",
                           "{\"a\":01}",
                           "{\"a\":1.}",
                           "{\"a\":.5}",
                           "{\"a\":1e}",
                           "{\"a\":+1}",
                           "{\"a\":[1,]}",
                           "{\"a\":[1}}",
                           "{\"a\":{]}",
                           "{\"a\":tru}",
                           "{,}",
                           "{\"a\":'x'}"}) {
    CAPTURE(line);
    CHECK(contains(error_of(line), "f:1: not JSON at byte "));
  }
  CHECK(scan_json_record("{\"a\": [1,").cut_short);
  CHECK_FALSE(scan_json_record("{\"a\": 1]").cut_short);
}

}  // namespace
}  // namespace lathe
