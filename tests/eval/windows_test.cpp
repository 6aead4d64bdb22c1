// Which tokens of a text are scored, and the bytes that they spell.
#include "eval/windows.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "support/error_text.h"
#include "support/tiny_bpe.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;

TEST_CASE("windows: every token of a text is scored once, with all the context there is room for") {
  for (const bool prefix : {true, false}) {
    for (i64 context = 1; context <= 5; ++context) {
      for (i64 n = 0; n <= 14; ++n) {
        std::multiset<i64> scored;
        for (const Window& w : rolling_windows(n, context, prefix)) {
          CHECK(w.input >= w.scored);
          CHECK(w.input <= context);
          CHECK(w.begin >= (prefix ? -1 : 0));
          // The token behind the last input is the last one scored.
          for (i64 i = 0; i < w.scored; ++i) scored.insert(w.begin + w.input - i);
        }
        std::multiset<i64> want;
        for (i64 i = prefix ? 0 : 1; i < n; ++i) want.insert(i);
        CHECK(scored == want);
      }
    }
  }
  // As the harness divides 10 tokens at context 4 with a prefix.
  const auto windows = rolling_windows(10, 4, true);
  REQUIRE(windows.size() == 3);
  CHECK((windows[0].begin == -1 && windows[0].input == 4 && windows[0].scored == 4));
  CHECK((windows[1].begin == 3 && windows[1].input == 4 && windows[1].scored == 4));
  CHECK((windows[2].begin == 5 && windows[2].input == 4 && windows[2].scored == 2));
}

// A text in memory.
ReadTokens reading(const std::vector<int32_t>& tokens) {
  return [&tokens](i64 offset, std::span<int64_t> out) {
    REQUIRE(offset + static_cast<i64>(out.size()) <= static_cast<i64>(tokens.size()));
    std::copy_n(tokens.begin() + offset, out.size(), out.begin());
  };
}

ScoredPart lay_out(const std::vector<int32_t>& tokens, const Tokenizer& tokenizer, i64 context,
                   i64 max_windows) {
  return lathe::lay_out(static_cast<i64>(tokens.size()), reading(tokens), tokenizer.end_of_text(),
                        TokenBytes(tokenizer), context, max_windows);
}

TEST_CASE("windows: the bytes are those of the scored tokens, of a part as of the whole") {
  // "th" and "the" are tokens: English takes 1 to 3 bytes a token, Chinese 1.
  const auto tokenizer =
      parse_tokenizer_json(test::tiny_bpe_json({{"t", "h"}, {"th", "e"}}).dump(), "t");
  const int32_t end = *tokenizer->end_of_text();
  std::vector<int32_t> tokens = {end};
  tokenizer->append_ids("thethethethe", tokens);
  tokens.push_back(end);
  tokenizer->append_ids("\xe4\xb8\xad\xe6\x96\x87", tokens);
  REQUIRE(tokens.size() == 12);

  const ScoredPart whole = lay_out(tokens, *tokenizer, 4, 0);
  CHECK_FALSE(whole.prefix.has_value());
  CHECK(whole.n_tokens == 11);
  CHECK(whole.n_bytes == 18);
  const ScoredPart part = lay_out(tokens, *tokenizer, 4, 1);  // the English, not 6.5 bytes of 18
  CHECK(part.windows.size() == 1);
  CHECK(part.n_tokens == 4);
  CHECK(part.n_bytes == 12);
  // An end-of-text token is scored and spells nothing.
  CHECK(lay_out(tokens, *tokenizer, 5, 1).n_bytes == 12);
  CHECK(bits_per_byte(12 * std::log(2.0), part.n_bytes) == doctest::Approx(1));
  CHECK(std::isnan(bits_per_byte(1, 0)));
}

TEST_CASE("windows: a text that begins inside a document gets the end of text in front") {
  const auto tokenizer = make_byte_tokenizer();
  const std::vector<int32_t> tokens = {'a', 'b', 'c'};
  const ScoredPart part = lay_out(tokens, *tokenizer, 2, 0);
  CHECK(part.prefix == 256);
  CHECK(part.n_tokens == 3);
  CHECK(part.n_bytes == 3);
  REQUIRE(part.windows.size() == 2);
  std::vector<int64_t> window;
  read_window(part, part.windows[0], reading(tokens), window);
  CHECK(window == std::vector<int64_t>{256, 'a', 'b'});
  read_window(part, part.windows[1], reading(tokens), window);
  CHECK(window == std::vector<int64_t>{'a', 'b', 'c'});
}

TEST_CASE("windows: a space that the tokenizer puts before a document is no byte of the text") {
  nlohmann::json vocab = {{"<s>", 0}, {"</s>", 1}, {"\u2581a", 2}, {"\u2581", 3}, {"a", 4}};
  for (int i = 0; i < 256; ++i) {
    char name[7];
    std::snprintf(name, sizeof name, "<0x%02X>", i);
    vocab[name] = 5 + i;
  }
  const nlohmann::json json = {
      {"added_tokens", {{{"id", 1}, {"content", "</s>"}, {"special", true}}}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", "\u2581"}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}}},
      {"pre_tokenizer", nullptr},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}},
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
      {"model",
       {{"type", "BPE"},
        {"vocab", vocab},
        {"merges", {"\u2581 a"}},
        {"byte_fallback", true},
        {"unk_token", nullptr}}}};
  const auto tokenizer = parse_tokenizer_json(json.dump(), "t");
  std::vector<int32_t> tokens = {1};
  tokenizer->append_ids("a a", tokens);
  REQUIRE(tokens == std::vector<int32_t>{1, 2, 2});
  CHECK(lay_out(tokens, *tokenizer, 8, 0).n_bytes == 3);
  // Inside a document the space is the text's own.
  tokens = {2, 2};
  CHECK(lay_out(tokens, *tokenizer, 8, 0).n_bytes == 4);
}

TEST_CASE("windows: nothing to score, and tokens that the tokenizer lacks, are errors") {
  const auto tokenizer = make_byte_tokenizer();
  CHECK(contains(error_text([&] { lay_out({}, *tokenizer, 4, 0); }), "0 tokens"));
  CHECK(contains(error_text([&] { lay_out({256}, *tokenizer, 4, 0); }), "at least 2"));
  CHECK(contains(error_text([&] { lay_out({256, 257}, *tokenizer, 4, 0); }), "token 257"));
}

}  // namespace
}  // namespace lathe
