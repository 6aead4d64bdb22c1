// Tokenizers' patterns on characters that came with Unicode 15 and 16.
#include "text/pattern.h"

#include <doctest/doctest.h>

#include "base/utf8.h"
#include "support/error_text.h"
#include "text/pretokenizer.h"
#include "text/unicode_changes.h"

namespace lathe {
namespace {

using Pieces = std::vector<std::string>;

Pieces pieces(const std::string& pattern, std::string_view text) {
  const Pretokenizer pretokenizer({pattern});
  Pretokenizer::Matcher matcher(pretokenizer);
  Pieces out;
  matcher.split(text, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

// Whether `pattern` takes the character: two of them are two matches, or one gap.
bool takes(const std::string& pattern, uint32_t code_point) {
  std::string c;
  append_code_point(code_point, c);
  return pieces(pattern, c + c).size() == 2;
}

constexpr uint32_t kShakingFace = 0x1FAE8, kEyeBags = 0x1FAE9;      // So, Unicode 15 and 16
constexpr uint32_t kHanH = 0x31350, kHanI = 0x2EBF0;                // Lo, Unicode 15 and 15.1
constexpr uint32_t kGarayDigit = 0x10D40, kGarayCapital = 0x10D50;  // Nd and Lu, Unicode 16
constexpr uint32_t kKawiDanda = 0x11F43, kAhomMedialRa = 0x1171E;   // Po; Mn that is Mc now
constexpr uint32_t kUnassigned = 0x378, kFace = 0x1F600, kHan = 0x4E2D;

TEST_CASE("patterns: characters of Unicode 15 and 16 have the classes of the tokenizers' engine") {
  struct Row {
    const char* pattern;
    std::vector<uint32_t> in, out;
  };
  const Row rows[] = {
      {R"(\p{S})", {kShakingFace, kEyeBags, kFace}, {kHanH, kGarayDigit, kUnassigned}},
      {R"(\p{So})", {kShakingFace, kEyeBags}, {kHanI}},
      {R"(\p{L})", {kHanH, kHanI, kGarayCapital, kHan}, {kShakingFace, kGarayDigit, kUnassigned}},
      {R"(\p{Lo})", {kHanH, kHanI}, {kGarayCapital}},
      {R"(\p{Lu})", {kGarayCapital, 'A'}, {kHanH, 'a'}},
      {R"(\p{N})", {kGarayDigit, '1'}, {kHanH}},
      {R"(\d)", {kGarayDigit, '1'}, {kHanH, 0xB2}},
      {R"(\p{P})", {kKawiDanda, '!'}, {kShakingFace}},
      {R"(\p{M})", {kAhomMedialRa}, {kHanH}},
      {R"(\p{Mc})", {kAhomMedialRa}, {}},
      {R"(\p{Mn})", {0x300}, {kAhomMedialRa}},
      {R"([\p{Mn}a])", {0x300, 'a'}, {kAhomMedialRa}},
      {R"([^\p{Mn}a])", {kAhomMedialRa, 'b'}, {0x300, 'a'}},
      {R"(\P{Mn})", {kAhomMedialRa, 'b'}, {0x300}},
      {R"(\p{C})", {kUnassigned}, {kShakingFace, kHanH}},
      {R"(\p{Cn})", {kUnassigned}, {kShakingFace, kHanH}},
      {R"(\P{Cn})", {kShakingFace, kHanH}, {kUnassigned}},
      {R"(\P{L})", {kShakingFace, kUnassigned}, {kHanH, kGarayCapital}},
      {R"(\p{^L})", {kShakingFace}, {kHanH}},
      {R"([\P{L}a])", {kShakingFace, 'a'}, {kHanH, 'b'}},
      {R"([^\P{L}a])", {kHanH, 'b'}, {kShakingFace, 'a'}},
      {R"([^\P{L}])", {kHanH, 'b'}, {kShakingFace}},
      {R"([^\s\p{L}\p{N}])", {kShakingFace, kEyeBags, kKawiDanda}, {kHanH, kGarayDigit, ' '}},
      {R"([\p{L}\p{N}-])", {kHanH, kGarayDigit, '-'}, {kShakingFace, ','}},
      {R"([\S])", {kShakingFace, 'a'}, {' ', 0x3000}},
      {R"([^\S\n])", {' ', 0x3000}, {'\n', 'a'}},
      {R"(\p{Han})", {kHanH, kHanI, kHan}, {kShakingFace, 'a'}},
      {R"([\p{Han}])", {kHanH, kHanI, kHan}, {kShakingFace, 'a'}},
      {R"(\P{han})", {kShakingFace, 'a'}, {kHanH, kHan}},
      // The script itself, not the scripts that use the character too.
      {R"(\p{Hiragana})", {0x3042}, {0x30FC}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.pattern);
    for (const uint32_t c : row.in) {
      CAPTURE(c);
      CHECK(takes(row.pattern, c));
    }
    for (const uint32_t c : row.out) {
      CAPTURE(c);
      CHECK_FALSE(takes(row.pattern, c));
    }
  }
}

TEST_CASE("patterns: GPT-2's takes a new symbol as a symbol, and a new letter as a letter") {
  CHECK(pieces(kGpt2Pattern, "ab\U0001FAE8!") == Pieces{"ab", "\U0001FAE8!"});
  CHECK(pieces(kGpt2Pattern, "ab\U00031350c \U0002EBF0") == Pieces{"ab\U00031350c", " \U0002EBF0"});
}

TEST_CASE("patterns: what is not known of a class is an error") {
  const auto error = [](const std::string& pattern) {
    return test::error_text([&] { const Pretokenizer p({pattern}); });
  };
  CHECK(test::contains(error(R"(\pL)"), R"('\p')"));
  CHECK(test::contains(error(R"(\p{Unknown})"), "not supported"));
  CHECK(test::contains(error(R"(\p{Nothing})"), "does not compile"));
  CHECK(test::contains(error("[a"), "without an end"));
}

TEST_CASE("Unicode changes: in order, and found in text by any of their characters") {
  uint32_t before = 0;
  for (const UnicodeChange& change : unicode_changes()) {
    CHECK(change.first > before);
    CHECK(change.last >= change.first);
    before = change.last;
    for (const uint32_t c : {change.first, change.last}) {
      std::string text = "12345678é中a";
      append_code_point(c, text);
      CHECK(has_unicode_change(text + "12345678"));
    }
  }
  CHECK_FALSE(has_unicode_change("12345678 naïve 中文 \U0001F600 \U0001FAE7"));
  CHECK_FALSE(has_unicode_change(""));
}

}  // namespace
}  // namespace lathe
