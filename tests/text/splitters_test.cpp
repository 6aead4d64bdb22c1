// The splitters of known patterns against PCRE2 on the same patterns.
#include <doctest/doctest.h>

#include <optional>
#include <random>

#include "base/atomic_file.h"
#include "base/utf8.h"
#include "support/shared_data.h"
#include "text/gpt2_splitter.h"
#include "text/pretokenizer.h"

namespace lathe {
namespace {

using Lengths = std::vector<size_t>;

// Lengths of the pieces; `text` is any bytes.
Lengths split(const Pretokenizer& pretokenizer, std::string_view text) {
  Lengths lengths;
  Pretokenizer::Matcher matcher(pretokenizer);
  matcher.split(text, [&](std::string_view piece) { lengths.push_back(piece.size()); });
  return lengths;
}

// The rules by both: as a pattern that is not spelt as the known ones are, PCRE2 gets it.
struct Rule {
  std::optional<Gpt2Rule> gpt2;
  Pretokenizer ours, oracle;
};

const std::vector<Rule>& rules() {
  using Rules = std::vector<SplitRule>;
  static const std::vector<Rule> all = [] {
    const auto same = [](const char* pattern) { return "(?:" + std::string(pattern) + ")"; };
    std::vector<Rule> made;
    made.push_back({Gpt2Rule::kPlain, Pretokenizer(Rules{kGpt2Pattern}),
                    Pretokenizer(Rules{same(kGpt2Pattern)})});
    made.push_back({Gpt2Rule::kDigitsApart, Pretokenizer(Rules{R"(\p{N})", kGpt2Pattern}),
                    Pretokenizer(Rules{R"((?:\p{N}))", same(kGpt2Pattern)})});
    for (const char* pattern : {kLlama3Pattern, kQwen2Pattern}) {
      made.push_back({std::nullopt,
                      Pretokenizer(Rules{SplitRule(pattern, SplitRule::Keep::kMatches)}),
                      Pretokenizer(Rules{same(pattern)})});
    }
    return made;
  }();
  return all;
}

// Every class of CPU and the whole way through Pretokenizer, each rule.
void check_split(std::string_view text) {
  for (const Rule& rule : rules()) {
    const Lengths expected = split(rule.oracle, text);
    REQUIRE(split(rule.ours, text) == expected);
    if (!rule.gpt2 || valid_utf8_prefix(text) < text.size()) continue;
    for (const CpuIsa isa : supported_isas()) {
      Lengths lengths;
      Gpt2Splitter(text, *rule.gpt2, byte_masks_function(isa)).split([&](std::string_view piece) {
        lengths.push_back(piece.size());
      });
      REQUIRE(lengths == expected);
    }
  }
}

TEST_CASE("character classes: those of the patterns, for every code point") {
  std::string text;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c < 0xD800 || c > 0xDFFF) append_code_point(c, text);
  }
  const auto members = [&](const char* pattern) {
    std::vector<uint32_t> found;
    const Pretokenizer pretokenizer(
        std::vector<SplitRule>{SplitRule(pattern, SplitRule::Keep::kMatches)});
    Pretokenizer::Matcher(pretokenizer).split(text, [&](std::string_view piece) {
      found.push_back(read_code_point(piece).value);
    });
    return found;
  };
  const auto of_class = [](CharacterClass wanted) {
    std::vector<uint32_t> found;
    for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
      if (CharacterClasses::table().of(c) == wanted) found.push_back(c);
    }
    return found;
  };
  CHECK(of_class(CharacterClass::kLetter) == members(R"(\p{L})"));
  CHECK(of_class(CharacterClass::kNumber) == members(R"(\p{N})"));
  CHECK(of_class(CharacterClass::kWhite) == members(R"(\s)"));
}

TEST_CASE("splitters: every boundary at every place of a batch") {
  const std::vector<std::string> snippets = {
      "'s",         "'t",           "'re",          "'ve",        "'m",           "'ll",
      "'d",         "'l",           "'r",           "'S",         "'Ll",          "'VE",
      "'\u017F",    "'rE1",         "!\n",          "!\r\n\n ",   " \r\n  x",     "\n\n  \n 1",
      "1234567",    "\t\tx",        "\rx",          "''s",        "'s's",         "'ll've",
      "'sx",        "'llx",         " 's",          "1's",        "\u00E9's",     "'",
      "' ",         "'re'",         "  ",           "   x",       " \n",          "\n ",
      "\n\nx",      "\t1",          " 1",           "  1",        "\u00A0",       " \u00A0",
      "\u3000x",    "\u3000\u3000", "\u00A0 x",     "\u20281",    " \u0085",      "x1y",
      "1 2",        "\u00B2",       "\u0660",       " \u4E2D",    "\u4E2D\u6587", "!\u00E9",
      " !",         "!1",           "\u00E9\u0301", "\U0001F600", " \U0001F600",  "\U0001D7D8",
      "\U0001FAE8", "\u1C89",       "\x7F"};
  for (const std::string& snippet : snippets) {
    for (size_t offset = 0; offset <= 132; ++offset) {
      for (const char* filler : {"a", "\u00E9", " ", "1", "\u4E2D"}) {
        std::string text;
        while (text.size() + std::string_view(filler).size() <= offset) text += filler;
        text.resize(offset, '-');
        text += snippet;
        check_split(text);
        check_split(text + "b");
        check_split(text + " c, and so on until the end of the next batch, wherever that may be.");
      }
    }
  }
}

TEST_CASE("splitters: random text of all classes") {
  std::mt19937 random(7);
  const std::vector<std::string> parts = {
      "a",          "Z",          "\u00E9", "\u4E2D",
      "\U00010400", "0",          "9",      "\u00B2",
      "\u0663",     " ",          " ",      "\n",
      "\t",         "\r",         "\x0B",   "\u0085",
      "\u00A0",     "\u2003",     "\u3000", "\u1680",
      "'",          "'s",         "'ll",    "'re",
      "!",          "_",          "\u2026", "\u0301",
      "\U0001F600", "\U0001FAE8", "\u1C8A", std::string(1, '\0'),
      "\x1F",       "\u180E",     "\u200B"};
  for (int round = 0; round < 6000; ++round) {
    // A few parts a text, so that runs are long and classes meet often.
    std::vector<const std::string*> few;
    for (int i = 0; i < 5; ++i) few.push_back(&parts[random() % parts.size()]);
    std::string text;
    const size_t n = random() % 200;
    while (text.size() < n) text += *few[random() % few.size()];
    check_split(text);
  }
}

TEST_CASE("splitters: random bytes, and text with bytes that are not UTF-8") {
  std::mt19937 random(8);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 300, '\0');
    const uint32_t kind = random() % 3;
    for (char& c : text) {
      const uint32_t byte = random();
      c = static_cast<char>(kind == 0        ? byte
                            : kind == 1      ? byte % 128
                            : byte % 16 == 0 ? 0x80 + byte / 16 % 128
                                             : " a1'!"[byte / 16 % 5]);
    }
    check_split(text);
  }
}

TEST_CASE("splitters: random code points") {
  std::mt19937 random(9);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const uint32_t limit =
        std::vector<uint32_t>{0x80, 0x800, 0x3000, 0x10000, 0x110000}[random() % 5];
    while (text.size() < 200) {
      const uint32_t c = random() % limit;
      if (c < 0xD800 || c > 0xDFFF) append_code_point(c, text);
      if (random() % 8 == 0) text += "  '"[random() % 3];
    }
    check_split(text);
  }
}

TEST_CASE("splitters: real text") {
  for (const char* name : {"gutenberg/1661.txt", "gutenberg/2600-0.txt", "wikitext-2-raw/test.txt",
                           "wikitext-2/valid.txt"}) {
    const std::string path = test::shared_path(std::string("data/corpora/") + name);
    if (path.empty()) return;
    check_split(read_text_file(path).substr(0, 1'000'000));
  }
}

}  // namespace
}  // namespace lathe
