// Normal forms: what the Hugging Face tokenizers library (0.23) gives, and tokenizers that have
// them.
#include "text/normalization.h"

#include <doctest/doctest.h>

#include <random>

#include "base/utf8.h"
#include "support/error_text.h"
#include "support/tiny_bpe.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

using Ids = std::vector<int32_t>;
using nlohmann::json;
using test::tiny_bpe_json;

const TextNormalizer& nfc() {
  static const TextNormalizer normalizer(Normalization::kNfc);
  return normalizer;
}

const TextNormalizer& nfkc() {
  static const TextNormalizer normalizer(Normalization::kNfkc);
  return normalizer;
}

std::string normalized(const TextNormalizer& normalizer, std::string_view text) {
  std::string buffer;
  return std::string(normalizer.apply(text, buffer));
}

TEST_CASE("normalization: marks are ordered and joined, compatible characters replaced") {
  struct Case {
    const char *text, *nfc, *nfkc;
  };
  const Case cases[] = {
      {"", "", ""},
      {"plain", "plain", "plain"},
      {"xe\u0301y", "x\u00E9y", "x\u00E9y"},
      {"q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307"},
      {"\u212B\uFB01", "\u00C5\uFB01", "\u00C5fi"},
      {"\u1100\u1161\u11A8", "\uAC01", "\uAC01"},
      {"\uAC00\u11A8", "\uAC01", "\uAC01"},
      {"\u1E9B\u0323", "\u1E9B\u0323", "\u1E69"},
      {"\u00A0x\u2460", "\u00A0x\u2460", " x1"},
      {"\u0344", "\u0308\u0301", "\u0308\u0301"},
      {"\u0958", "\u0915\u093C", "\u0915\u093C"},
      {"\u09C7\u09BE", "\u09CB", "\u09CB"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(normalized(nfc(), c.text) == c.nfc);
    CHECK(normalized(nfkc(), c.text) == c.nfkc);
    CHECK(normalized(TextNormalizer(Normalization::kNone), c.text) == c.text);
  }
}

TEST_CASE("normalization: characters that the reference does not know stay as they are") {
  for (const char* text :
       {"\uA7F2\u32FF", "\U00011935\U00011930", "a\u1DF6\u0323", "\u1AC1\u0316"}) {
    CHECK(normalized(nfc(), text) == text);
    CHECK(normalized(nfkc(), text) == text);
  }
}

TEST_CASE("normalization: what does not change is not copied") {
  for (const std::string text : {"plain text", "na\u00EFve \u4E2D\u6587 \U0001F600", "\xFF\xC3"}) {
    std::string buffer;
    CHECK(nfc().apply(text, buffer).data() == text.data());
    CHECK(nfkc().apply(text, buffer).data() == text.data());
  }
}

TEST_CASE("normalization: twice is once, and bytes that are not UTF-8 stay where they are") {
  std::mt19937 random(3);
  const uint32_t marks[] = {0x300, 0x301, 0x323, 0x327, 0x345, 0x3099, 0x1161, 0x11A8, 0x9BE};
  for (int round = 0; round < 3000; ++round) {
    std::string parts[2];
    for (std::string& part : parts) {
      for (uint32_t n = random() % 8; n > 0; --n) {
        const uint32_t c = random() % 2 == 0 ? marks[random() % 9] : random() % 0x3400;
        append_code_point(c, part);
      }
    }
    for (const TextNormalizer* normalizer : {&nfc(), &nfkc()}) {
      const std::string once = normalized(*normalizer, parts[0]);
      CHECK(normalized(*normalizer, once) == once);
      CHECK(normalized(*normalizer, parts[0] + "\xFF" + parts[1] + "\xE2\x82") ==
            once + "\xFF" + normalized(*normalizer, parts[1]) + "\xE2\x82");
    }
  }
}

TEST_CASE("normalization: a megabyte of marks is no trouble") {
  std::string text = "a";
  while (text.size() < 1'000'000) text += "\u0301\u0323";
  const std::string result = normalized(nfc(), text);
  CHECK(result.starts_with("\u1EA1\u0323"));
  CHECK(result.ends_with("\u0301"));
}

TEST_CASE("tokenizer.json: NFC and NFKC come before everything else, and are written back") {
  json file = tiny_bpe_json({{"f", "i"}});
  CHECK(parse_tokenizer_json(file.dump(), "t")->encode("\uFB01").size() == 3);
  for (const char* normalizer :
       {R"({"type":"NFKC"})", R"({"type":"Sequence","normalizers":[{"type":"NFKC"}]})"}) {
    file["normalizer"] = json::parse(normalizer);
    const auto tokenizer = parse_tokenizer_json(file.dump(), "t");
    CHECK(tokenizer->encode("\uFB01") == Ids{256});
    CHECK(tokenizer->encode("e\u0301") == Ids{0xC3, 0xA9});
    const BpeDefinition definition = parse_bpe_json(file.dump(), "t");
    CHECK(definition.normalization == Normalization::kNfkc);
    const std::string written = to_tokenizer_json(definition);
    CHECK(parse_bpe_json(written, "t").normalization == Normalization::kNfkc);
  }
  file["normalizer"] = {{"type", "NFC"}};
  CHECK(parse_tokenizer_json(file.dump(), "t")->encode("\uFB01").size() == 3);
  CHECK(parse_tokenizer_json(file.dump(), "t")->encode("e\u0301") == Ids{0xC3, 0xA9});
}

TEST_CASE("tokenizer.json: a space that normalizing makes counts as the prefix space") {
  json file = tiny_bpe_json({{"Ġ", "a"}});
  file["pre_tokenizer"]["add_prefix_space"] = true;
  file["normalizer"] = {{"type", "NFKC"}};
  const auto tokenizer = parse_tokenizer_json(file.dump(), "t");
  CHECK(tokenizer->encode("\u00A0a") == Ids{256});
  CHECK(tokenizer->encode("a") == Ids{256});
}

TEST_CASE(
    "tokenizer.json: added tokens are looked for before normalizing, or after it if they say so") {
  json file = tiny_bpe_json({{"a", "b"}});
  file["normalizer"] = {{"type", "NFKC"}};
  file["added_tokens"].push_back({{"id", 300}, {"content", "\uFB01"}, {"normalized", false}});
  file["added_tokens"].push_back({{"id", 301}, {"content", "e\u0301"}, {"normalized", true}});
  const auto tokenizer = parse_tokenizer_json(file.dump(), "t");
  CHECK(tokenizer->encode("ab\uFB01") == Ids{256, 300});
  CHECK(tokenizer->encode("\u00E9fi") == Ids{301, 'f', 'i'});
  CHECK(tokenizer->encode("e\u0301") == Ids{301});
  CHECK(to_tokenizer_json(parse_bpe_json(file.dump(), "t")).find(R"("normalized":true)") !=
        std::string::npos);
}

TEST_CASE("tokenizer.json: Split keeps what it says, and is written back") {
  const auto encode = [](const char* behavior, bool invert, std::string_view text) {
    json file = tiny_bpe_json({{"a", "b"}, {"b", "1"}});
    file["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"},
           {"pattern", {{"Regex", R"(\p{L}+)"}}},
           {"behavior", behavior},
           {"invert", invert}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
    const Ids ids = parse_tokenizer_json(file.dump(), "t")->encode(text);
    const std::string written = to_tokenizer_json(parse_bpe_json(file.dump(), "t"));
    CHECK(parse_tokenizer_json(written, "t")->encode(text) == ids);
    return ids;
  };
  CHECK(encode("Isolated", false, "1ab1") == Ids{'1', 256, '1'});
  CHECK(encode("Isolated", true, "1ab1") == Ids{'1', 256, '1'});
  CHECK(encode("Removed", false, "1ab2") == Ids{'1', '2'});
  CHECK(encode("Removed", true, "1ab2ab") == Ids{256, 256});
  CHECK(encode("Removed", false, "ab") == Ids{});
  CHECK(encode("Removed", true, "12") == Ids{});
}

}  // namespace
}  // namespace lathe
