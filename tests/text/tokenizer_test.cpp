// The byte tokenizer and byte-level BPE on vocabularies made here.
#include "text/tokenizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <random>
#include <thread>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/utf8.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_bpe.h"
#include "text/bpe_merges.h"
#include "text/bpe_trainer.h"
#include "text/pretokenizer.h"

namespace lathe {
namespace {

using Ids = std::vector<int32_t>;
using test::contains;
using test::error_text;
using test::TempDir;
using test::tiny_bpe_json;

std::unique_ptr<Tokenizer> make(const nlohmann::json& json) {
  return parse_tokenizer_json(json.dump(), "t.json");
}

std::string random_bytes(std::mt19937& random, size_t n) {
  std::string text(n, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::vector<std::string> pieces(const std::vector<SplitRule>& patterns, std::string_view text) {
  const Pretokenizer pretokenizer(patterns);
  Pretokenizer::Matcher matcher(pretokenizer);
  std::vector<std::string> out;
  matcher.split(text, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

// --- bytes ---

TEST_CASE("byte tokenizer: a byte is its own id, end of text is 256") {
  const auto tokenizer = load_tokenizer("bytes");
  CHECK(tokenizer->vocab_size() == 257);
  CHECK(tokenizer->end_of_text() == 256);
  CHECK_FALSE(tokenizer->begin_of_text());
  CHECK(tokenizer->encode("aé") == Ids{97, 0xC3, 0xA9});
  CHECK(tokenizer->decode(Ids{97, 256, 98}) == "ab");
  CHECK(tokenizer->token_bytes(256) == "");
  CHECK(tokenizer->kind() == "bytes");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(tokenizer->decode(tokenizer->encode(all)) == all);
  CHECK(contains(error_text([&] { tokenizer->decode(Ids{257}); }), "257 is out of range"));
  CHECK(contains(error_text([&] { tokenizer->token_bytes(-1); }), "-1 is out of range"));
}

TEST_CASE("byte tokenizer: survives being saved into a folder") {
  const TempDir dir;
  CHECK(make_byte_tokenizer()->save(dir.path()) == "tokenizer.json");
  CHECK(load_tokenizer(dir.path())->kind() == "bytes");
  CHECK(load_tokenizer(dir.file("tokenizer.json"))->encode("a\xFF") == Ids{97, 255});
}

// --- pre-tokenisation ---

TEST_CASE("pre-tokenizer: GPT-2's rules, by hand") {
  const std::vector<SplitRule> gpt2 = {kGpt2Pattern};
  using Pieces = std::vector<std::string>;
  CHECK(pieces(gpt2, "I'll go") == Pieces{"I", "'ll", " go"});
  CHECK(pieces(gpt2, "a  b") == Pieces{"a", " ", " b"});
  CHECK(pieces(gpt2, "a\n\nb ") == Pieces{"a", "\n", "\n", "b", " "});
  CHECK(pieces(gpt2, "x1²!? ") == Pieces{"x", "1²", "!?", " "});
  CHECK(pieces(gpt2, "naïve 東京") == Pieces{"naïve", " 東京"});
  CHECK(pieces(gpt2, "") == Pieces{});
  // U+00A0 and U+3000 are spaces, U+180E no longer is one.
  CHECK(pieces(gpt2, "a\u00A0\u3000b") == Pieces{"a", "\u00A0", "\u3000", "b"});
  CHECK(pieces(gpt2, "\u180E!") == Pieces{"\u180E!"});
}

TEST_CASE("pre-tokenizer: bytes that are not UTF-8 are pieces of their own") {
  CHECK(pieces({kGpt2Pattern},
               "ab\xFF\xFE"
               "cd") == std::vector<std::string>{"ab", "\xFF\xFE", "cd"});
  // Overlong, surrogate, cut off at the end.
  CHECK(valid_utf8_prefix("\xC0\x80") == 0);
  CHECK(valid_utf8_prefix("\xED\xA0\x80") == 0);
  CHECK(valid_utf8_prefix("12345678\xE2\x82") == 8);
  CHECK(valid_utf8_prefix("\xF4\x8F\xBF\xBF") == 4);
  CHECK(valid_utf8_prefix("\xF4\x90\x80\x80") == 0);
}

TEST_CASE("pre-tokenizer: several patterns split one after the other, gaps are pieces") {
  CHECK(pieces({R"(\p{N})", "b+"}, "a12bbc") == std::vector<std::string>{"a", "1", "2", "bb", "c"});
  CHECK(pieces({}, "any thing") == std::vector<std::string>{"any thing"});
}

TEST_CASE("pre-tokenizer: patterns that PCRE2 reads differently are errors") {
  const auto error = [](const std::string& pattern) {
    return error_text([&] { const Pretokenizer p({pattern}); });
  };
  CHECK(contains(error(R"(\w+)"), R"('\w')"));
  CHECK(contains(error(R"([\w])"), R"('\w' in a class)"));
  CHECK(contains(error(R"(\h)"), R"('\h')"));
  CHECK(contains(error("[a[b]]"), "class within a class"));
  CHECK(contains(error("[a&&b]"), "class within a class"));
  CHECK(contains(error("(a"), "does not compile"));
  CHECK(contains(error("a\\"), "not supported"));
  // A pattern that needs too many steps gives up instead of hanging.
  const Pretokenizer slow({"(a+)+(?=b)"});
  Pretokenizer::Matcher matcher(slow);
  CHECK(contains(error_text([&] { matcher.split(std::string(64, 'a'), [](std::string_view) {}); }),
                 "gave up"));
}

// --- merging ---

// Byte-pair encoding as it is defined: look through all pairs, merge the best, start again.
Ids naive_merge(const MergeTable& table, Ids symbols) {
  for (;;) {
    int best = -1;
    MergeTable::Merge merge;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = table.find(symbols[i], symbols[i + 1]);
      if (found.rank >= 0 && (best < 0 || found.rank < merge.rank)) {
        best = static_cast<int>(i);
        merge = found;
      }
    }
    if (best < 0) return symbols;
    symbols[static_cast<size_t>(best)] = merge.id;
    symbols.erase(symbols.begin() + best + 1);
  }
}

TEST_CASE("merging: short and long pieces give what the definition gives") {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    // Random merges over few symbols, so that they overlap and depend on each other; every other
    // time in an order in which nobody can have learnt them.
    MergeTable table(60);
    std::vector<int32_t> ranks(60);
    std::iota(ranks.begin(), ranks.end(), 0);
    if (round % 2 == 1) std::shuffle(ranks.begin(), ranks.end(), random);
    for (int32_t i = 0; i < 60; ++i) {
      const auto bound = static_cast<uint32_t>(4 + i);
      table.add(static_cast<int32_t>(random() % bound), static_cast<int32_t>(random() % bound),
                {ranks[static_cast<size_t>(i)], 4 + i});
    }
    CHECK(table.is_monotone() == (round % 2 == 0));
    MergeScratch scratch;
    for (const size_t n : {0, 1, 2, 3, 10, 95, 96, 97, 98, 500}) {
      Ids symbols(n);
      for (int32_t& s : symbols) s = static_cast<int32_t>(random() % 4);
      const Ids expected = naive_merge(table, symbols);
      merge_symbols(table, symbols, scratch);
      CHECK(symbols == expected);
    }
  }
}

TEST_CASE("merging: a pair that is added twice keeps its first rank") {
  MergeTable table(2);
  table.add(1, 2, {5, 7});
  table.add(1, 2, {1, 8});
  CHECK(table.find(1, 2).rank == 5);
  CHECK(table.find(1, 2).id == 7);
  CHECK(table.find(2, 1).rank == -1);
}

// --- byte-level BPE ---

TEST_CASE("byte-level BPE: a worked example") {
  // 256 "he", 257 "ll", 258 "llo", 259 "hello", 260 "Ġhe"; <|endoftext|> 261.
  const auto tokenizer =
      make(tiny_bpe_json({{"h", "e"}, {"l", "l"}, {"ll", "o"}, {"he", "llo"}, {"Ġ", "he"}}));
  CHECK(tokenizer->encode("hello") == Ids{259});
  CHECK(tokenizer->encode(" hello") == Ids{' ', 259});  // "he"+"llo" comes before "Ġ"+"he"
  CHECK(tokenizer->encode(" hell") == Ids{260, 257});
  CHECK(tokenizer->encode("lllo") == Ids{257, 'l', 'o'});  // the leftmost pair first
  CHECK(tokenizer->encode("") == Ids{});
  CHECK(tokenizer->vocab_size() == 262);
  CHECK(tokenizer->end_of_text() == 261);
  CHECK(tokenizer->decode(Ids{260, 257, 261, 'o'}) == " hello");
  CHECK(tokenizer->token_bytes(260) == " he");
  CHECK(tokenizer->token_bytes(261) == "");
  CHECK(contains(error_text([&] { tokenizer->decode(Ids{262}); }), "expected 0 to 261"));
}

TEST_CASE("byte-level BPE: special tokens in text are text") {
  const auto tokenizer = make(tiny_bpe_json({{"h", "e"}}));
  const Ids ids = tokenizer->encode("<|endoftext|>");
  CHECK(ids.size() == 13);
  CHECK(tokenizer->decode(ids) == "<|endoftext|>");
  CHECK(tokenizer->special_token("<|endoftext|>") == 257);
  CHECK_FALSE(tokenizer->special_token("he"));
}

TEST_CASE("byte-level BPE: any bytes survive encode and decode") {
  std::mt19937 random(2);
  WordCounts counts;
  counts.add("the cat and the dog and the été and 東京東京 the the and and");
  const auto trained = train_bpe(counts, 300);
  const auto tokenizer = parse_tokenizer_json(to_tokenizer_json(trained.definition), "t");
  for (int round = 0; round < 200; ++round) {
    std::string text = random_bytes(random, random() % 200);
    if (round % 2 == 0) text += "the cat \xE6\x9D été" + text;
    CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
  }
}

TEST_CASE("byte-level BPE: the word cache changes nothing, in any number of threads") {
  const auto tokenizer = make(tiny_bpe_json({{"a", "b"}, {"ab", "ab"}, {"Ġ", "a"}}));
  std::mt19937 random(3);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "ab c"[random() % 4];
  const Ids expected = make(tiny_bpe_json({{"a", "b"}, {"ab", "ab"}, {"Ġ", "a"}}))->encode(text);
  std::vector<Ids> results(4);
  std::vector<std::thread> threads;
  for (Ids& result : results) threads.emplace_back([&] { result = tokenizer->encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) CHECK(result == expected);
}

TEST_CASE("byte-level BPE: a megabyte of one letter is no trouble") {
  const auto tokenizer = make(tiny_bpe_json({{"a", "a"}, {"aa", "aa"}}));
  const Ids ids = tokenizer->encode(std::string(1'000'003, 'a'));
  CHECK(ids.size() == 250'002);
  CHECK(ids.front() == 257);
  CHECK(ids.back() == 'a');
}

TEST_CASE("byte-level BPE: options of tokenizer.json change the ids as they should") {
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"a", "b"}, {"Ġ", "ab"}, {"b", "1"}};
  auto json = tiny_bpe_json(merges);
  const int32_t ab = 256, space_ab = 257;
  json["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK(make(json)->encode("ab") == Ids{space_ab});
  CHECK(make(json)->encode(" ab") == Ids{space_ab});
  CHECK(make(json)->encode("") == Ids{});
  json["pre_tokenizer"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  CHECK(make(json)->encode("b1") == Ids{258});  // one piece
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"},
         {"pattern", {{"Regex", "b"}}},
         {"behavior", "Isolated"},
         {"invert", false}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  CHECK(make(json)->encode("ab1") == Ids{'a', 'b', '1'});
  json["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Digits"}, {"individual_digits", true}};
  CHECK(make(json)->encode("ab1") == Ids{ab, '1'});

  json = tiny_bpe_json(merges);
  json["model"]["vocab"]["xyz"] = 300;  // no merge leads there
  CHECK(make(json)->encode("xyz") == Ids{'x', 'y', 'z'});
  json["model"]["ignore_merges"] = true;
  CHECK(make(json)->encode("xyz ab") == Ids{300, space_ab});
  CHECK(make(json)->vocab_size() == 301);

  json = tiny_bpe_json(merges);
  json["model"]["merges"] = nlohmann::json::parse(R"([["a","b"],["Ġ","ab"],["b","1"]])");  // newer
  CHECK(make(json)->encode(" ab") == Ids{space_ab});
}

TEST_CASE("byte-level BPE: added tokens that are not special are found, the longest first") {
  auto json = tiny_bpe_json({{"a", "b"}});
  json["added_tokens"].push_back({{"id", 300}, {"content", "  "}, {"special", false}});
  json["added_tokens"].push_back({{"id", 301}, {"content", "    "}, {"special", false}});
  const auto tokenizer = make(json);
  const Ids ids = tokenizer->encode("ab      ab ");
  CHECK(ids == Ids{256, 301, 300, 256, ' '});
  CHECK(tokenizer->decode(ids) == "ab      ab ");
}

TEST_CASE("load_tokenizer: GPT-2's pair of files, under both pairs of names") {
  const auto json = tiny_bpe_json({{"a", "b"}, {"Ġ", "ab"}});
  auto vocab = json["model"]["vocab"];
  vocab["<|endoftext|>"] = 258;
  for (const auto& [merges_name, vocab_name] :
       {std::pair("vocab.bpe", "encoder.json"), std::pair("merges.txt", "vocab.json")}) {
    const TempDir dir;
    write_file_atomically(dir.file(merges_name), "#version: 0.2\na b\r\nĠ ab\n");
    CHECK(contains(error_text([&] { load_tokenizer(dir.path()); }), "is not beside it"));
    write_file_atomically(dir.file(vocab_name), vocab.dump());
    for (const std::string& path : {dir.path(), dir.file(merges_name), dir.file(vocab_name)}) {
      const auto tokenizer = load_tokenizer(path);
      CHECK(tokenizer->encode("ab ab") == Ids{256, 257});
      CHECK(tokenizer->end_of_text() == 258);
    }
    // Saved, it becomes one file that gives the same ids.
    const TempDir model;
    CHECK(load_tokenizer(dir.path())->save(model.path()) == "tokenizer.json");
    CHECK(load_tokenizer(model.path())->encode("ab ab") == Ids{256, 257});
    CHECK(load_tokenizer(model.path())->end_of_text() == 258);
  }
}

TEST_CASE("load_tokenizer: what is no tokenizer is an error that says what would be") {
  const TempDir dir;
  const auto error = [](const std::string& path) {
    return error_text([&] { load_tokenizer(path); });
  };
  CHECK(contains(error(dir.file("none")), "does not exist"));
  CHECK(contains(error(dir.path()), "holds no tokenizer"));
  write_file_atomically(dir.file("x.txt"), "");
  CHECK(contains(error(dir.file("x.txt")), "is no tokenizer file"));
  write_file_atomically(dir.file("x.model"), "rubbish");
  CHECK(contains(error(dir.file("x.model")), "not a SentencePiece model (7 bytes)"));
  write_file_atomically(dir.file("x.json"), "{");
  CHECK(contains(error(dir.file("x.json")), "not a JSON object"));
}

}  // namespace
}  // namespace lathe
