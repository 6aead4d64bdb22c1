// Caches and cuts of the word encoder against the merges alone.
#include "text/bpe_word_encoder.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "base/atomic_file.h"
#include "support/shared_data.h"
#include "support/tiny_bpe.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

using Ids = std::vector<int32_t>;
using Cache = ShortWordCache;
using test::tiny_bpe_json;

Cache::Key key_of(std::string_view word) {
  return Cache::make_key(word.data(), word.size(), word.size());
}

std::string word_of(uint64_t n) { return std::string(reinterpret_cast<const char*>(&n), sizeof n); }

TEST_CASE("short word cache: gives back what it was given, through growth and replacement") {
  Cache cache;
  std::mt19937 random(1);
  std::map<std::string, Ids> stored;
  for (int i = 0; i < 20'000; ++i) {
    std::string word(1 + random() % 15, '\0');
    for (char& c : word) c = static_cast<char>(random() % 3);
    Ids ids(1 + random() % word.size());
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % 100);
    if (cache.find(key_of(word), key_of(word).hash()) != nullptr) continue;
    const Ids& kept = stored.emplace(word, ids).first->second;
    REQUIRE(cache.store(key_of(word), key_of(word).hash(), kept));
  }
  const Cache copy(cache);
  size_t n_found = 0;
  for (const auto& [word, ids] : stored) {
    for (const Cache* each : {static_cast<const Cache*>(&cache), &copy}) {
      const auto* entry = each->find(key_of(word), key_of(word).hash());
      if (entry == nullptr) continue;
      const auto found = each->ids_of(*entry);
      REQUIRE(Ids(found.begin(), found.end()) == ids);
      ++n_found;
    }
  }
  CHECK(n_found > stored.size() * 19 / 10);  // what is replaced is little
}

TEST_CASE("short word cache: a word is its bytes and its length, whatever follows in the text") {
  const std::string text("ab\0cdefghijklmnopqrstuvwxyz", 27);
  for (size_t n = 1; n <= Cache::kMaxBytes; ++n) {
    const auto in_text = Cache::make_key(text.data(), n, text.size());
    const auto alone = key_of(text.substr(0, n));
    CHECK(in_text.low == alone.low);
    CHECK(in_text.high == alone.high);
  }
  CHECK(key_of("ab").high != key_of(std::string_view("ab\0", 3)).high);
}

TEST_CASE("short word cache: bounded, and words that share a place only take each other's") {
  Cache cache;
  const Ids id = {1};
  // All hashes alike: more words than places for them.
  for (uint64_t i = 0; i < 10'000; ++i) {
    if (!cache.store(key_of(word_of(i)), 0, id)) cache = Cache();
    REQUIRE(cache.find(key_of(word_of(i)), 0) != nullptr);
  }
  CHECK(cache.n_bytes() < 100'000);
  bool filled = false;
  const Ids many = {1, 2, 3, 4, 5, 6};
  for (uint64_t i = 0; i < 2'000'000 && !filled; ++i) {
    const auto key = key_of(word_of(i));
    filled = !cache.store(key, key.hash(), i % 2 == 0 ? id : many);
  }
  CHECK(filled);
  CHECK(cache.n_bytes() < (size_t{40} << 20));
}

TEST_CASE("word encoder: full, fresh and seeded caches give the same tokens") {
  const auto json = tiny_bpe_json({{"a", "b"}, {"b", "c"}, {"ab", "c"}, {"bc", "bc"}, {"Ġ", "a"}});
  const auto warm = parse_tokenizer_json(json.dump(), "t");
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const size_t n = random() % 80;
    while (text.size() < n) text += "aabbcc d"[random() % (round % 2 == 0 ? 6 : 8)];
    const Ids expected = parse_tokenizer_json(json.dump(), "t")->encode(text);
    REQUIRE(warm->encode(text) == expected);
    REQUIRE(warm->encode(text) == expected);
    REQUIRE(warm->decode(expected) == text);
  }
}

TEST_CASE("word encoder: a vocabulary's own words are tokenized, not looked up") {
  // "abc" is a token, but its bytes merge to a + bc first.
  const auto json = tiny_bpe_json({{"b", "c"}, {"a", "b"}, {"ab", "c"}});
  const auto tokenizer = parse_tokenizer_json(json.dump(), "t");
  CHECK(tokenizer->encode("abc") == Ids{'a', 256});
  auto whole = json;
  whole["model"]["ignore_merges"] = true;
  CHECK(parse_tokenizer_json(whole.dump(), "t")->encode("abc") == Ids{258});
  // Longer than any cached word, cut where nothing joins: the parts are no pieces.
  const std::string text = "abcxabcxabcxabcxabcxabcxabcxabcxabc";
  Ids expected;
  for (int i = 0; i < 9; ++i) expected.insert(expected.end(), {'a', 256, 'x'});
  expected.pop_back();
  CHECK(tokenizer->encode(text) == expected);
  CHECK(parse_tokenizer_json(whole.dump(), "t")->encode(text) == expected);
}

TEST_CASE("GPT-2: long pieces give what their symbols merge to") {
  const std::string dir = test::shared_path("data/tokenizers/gpt2");
  if (dir.empty()) return;
  const auto tokenizer = load_tokenizer(dir);
  const BpeDefinition definition = parse_gpt2_files(read_text_file(dir + "/encoder.json"), "vocab",
                                                    read_text_file(dir + "/vocab.bpe"), "merges");
  MergeTable table(definition.merges.size());
  for (size_t i = 0; i < definition.merges.size(); ++i) {
    const auto& merge = definition.merges[i];
    table.add(merge.left, merge.right, {static_cast<int32_t>(i), merge.merged});
  }
  CHECK(table.is_monotone());
  std::array<int32_t, 256> byte_ids;
  for (int32_t id = 0; id < 256; ++id) byte_ids[gpt2_byte_order()[static_cast<size_t>(id)]] = id;
  std::mt19937 random(4);
  MergeScratch scratch;
  for (int round = 0; round < 300; ++round) {
    const auto last = static_cast<char>(round % 3 == 0 ? 'c' : 'z');
    std::string piece(1 + random() % 3000, '\0');
    for (char& c : piece) {
      c = static_cast<char>('a' +
                            static_cast<int>(random() % static_cast<uint32_t>(last - 'a' + 1)));
    }
    Ids expected;
    for (const char c : piece) expected.push_back(byte_ids[static_cast<uint8_t>(c)]);
    merge_symbols(table, expected, scratch);
    REQUIRE(tokenizer->encode(piece) == expected);
  }
}

}  // namespace
}  // namespace lathe
