// Prepared folders: which document goes where, and what dataset.json says of them.
#include "data/dataset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "base/content_hash.h"
#include "base/error.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_bpe.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;
using test::TempDir;

std::vector<int64_t> read_all(const TokenStream& stream) {
  std::vector<int64_t> out(static_cast<size_t>(stream.size()));
  stream.copy(0, out);
  return out;
}

// Each behind an end-of-text token, of byte-level shards.
std::vector<std::string> documents_of(const std::string& dir, const std::string& split) {
  std::vector<std::string> documents;
  if (find_shards(dir, split).empty()) return documents;
  for (const int64_t id : read_all(TokenStream(dir, split))) {
    if (id == 256) {
      documents.emplace_back();
    } else {
      documents.back() += static_cast<char>(id);
    }
  }
  return documents;
}

TEST_CASE("dataset: end of text before every document, every document in one split, counts right") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.2, 50);
  std::vector<std::string> train, val;
  for (int64_t i = 0; i < 200; ++i) {
    const std::string text = "doc " + std::to_string(i);
    writer.add_document(tokenizer->encode(text), static_cast<int64_t>(text.size()),
                        content_hash(text));
    (is_validation_document(content_hash(text), 0.2) ? val : train).push_back(text);
  }
  const DatasetInfo info = writer.finish();
  CHECK(val.size() > 20);
  CHECK(val.size() < 60);
  // One of those before the first of the other side may come behind them.
  std::vector<std::string> found = documents_of(dir.path(), "train");
  const auto first_val = static_cast<size_t>(std::stoi(val[0].substr(4)));
  std::sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(first_val));
  std::sort(train.begin(), train.begin() + static_cast<std::ptrdiff_t>(first_val));
  CHECK(found == train);
  CHECK(documents_of(dir.path(), "val") == val);
  CHECK(info.train.documents == static_cast<i64>(train.size()));
  CHECK(info.val.documents == static_cast<i64>(val.size()));
  CHECK(info.val.bytes == info.val.tokens - info.val.documents);
  CHECK(load_dataset_info(dir.path()).train.tokens == TokenStream(dir.path(), "train").size());
  CHECK(load_tokenizer(dir.path())->vocab_size() == 257);
}

// Texts to the names of their splits.
std::multimap<std::string, std::string> sides_of(const std::vector<std::string>& texts,
                                                 double val_fraction) {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, val_fraction);
  for (const std::string& text : texts) {
    writer.add_document(tokenizer->encode(text), static_cast<i64>(text.size()), content_hash(text));
  }
  writer.finish();
  std::multimap<std::string, std::string> sides;
  for (const char* split : {"train", "val"}) {
    for (const std::string& text : documents_of(dir.path(), split)) sides.emplace(text, split);
  }
  return sides;
}

TEST_CASE("dataset: a document's side depends on its text alone, and duplicates share one") {
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) texts.push_back("text " + std::to_string(i % 200));
  const auto sides = sides_of(texts, 0.3);
  CHECK(sides.size() == 300);
  for (const auto& [text, side] : sides) {
    for (auto [it, end] = sides.equal_range(text); it != end; ++it) CHECK(it->second == side);
  }
  std::reverse(texts.begin(), texts.end());
  CHECK(sides_of(texts, 0.3) == sides);
  // A larger share keeps what a smaller one has taken.
  for (const auto& [text, side] : sides_of(texts, 0.1)) {
    if (side == "val") CHECK(sides.find(text)->second == "val");
  }
}

TEST_CASE("dataset: no side is left without a document, and which it is does not hang on order") {
  for (const double val_fraction : {1e-9, 0.999999}) {
    const char* rare = val_fraction < 0.5 ? "val" : "train";
    std::vector<std::string> texts = {"one", "two", "three", "four"};
    const auto sides = sides_of(texts, val_fraction);
    std::string chosen;
    for (const auto& [text, side] : sides) {
      if (side == rare) chosen += text;
    }
    CHECK(std::find(texts.begin(), texts.end(), chosen) != texts.end());
    std::sort(texts.begin(), texts.end());
    do {
      CHECK(sides_of(texts, val_fraction) == sides);
    } while (std::next_permutation(texts.begin(), texts.end()));
    CHECK(sides_of({"same", "same"}, val_fraction).size() == 2);
  }
}

TEST_CASE("content hash: the split of every version before") {
  CHECK(content_hash("") == 0x06F9D94E6078E18Fu);
  CHECK(content_hash("a text of more than eight bytes") == 0xED7205ECD150388Du);
  CHECK(content_hash("a", 1) != content_hash("a", 2));
  CHECK(content_hash(std::string(1, '\0')) != content_hash(std::string(2, '\0')));
  int n = 0;
  for (int i = 0; i < 10000; ++i) n += is_validation_document(content_hash(std::to_string(i)), 0.1);
  CHECK(n > 900);
  CHECK(n < 1100);
}

TEST_CASE("dataset: a single document is divided, its tail is validation") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.1);
  writer.add_document({}, 0, 0);  // empty ones do not count
  writer.add_document(tokenizer->encode("0123456789012345678"), 19, 0);
  const DatasetInfo info = writer.finish();
  CHECK(info.train.tokens == 18);
  CHECK(info.train.bytes == 17);
  CHECK(info.val.bytes == 2);
  CHECK(read_all(TokenStream(dir.path(), "val")) == std::vector<int64_t>{'7', '8'});
}

TEST_CASE("dataset: a validation share of 0 makes no validation shards") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0);
  writer.add_document(tokenizer->encode("text"), 4, 0);
  CHECK(writer.finish().val.tokens == 0);
  CHECK(find_shards(dir.path(), "val").empty());
}

TEST_CASE("dataset: no text, a bad share and a missing description are errors") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.1);
  CHECK(contains(error_text([&] { writer.finish(); }), "hold no text"));
  CHECK(contains(error_text([&] { DatasetWriter(dir.path(), *tokenizer, 1.0); }), "share of 1"));
  CHECK(contains(error_text([&] { load_dataset_info(dir.path()); }), "has no dataset.json"));
}

TEST_CASE("tokenizer: its fingerprint is of what it does, not of the file it was read from") {
  using Merges = std::vector<std::pair<std::string, std::string>>;
  const auto bpe = [](const Merges& merges) {
    return parse_tokenizer_json(test::tiny_bpe_json(merges).dump(2), "t");
  };
  const auto one = bpe({{"t", "h"}, {"th", "e"}});
  CHECK(one->fingerprint().size() == 16);
  const TempDir dir;
  CHECK(load_tokenizer(dir.file(one->save(dir.path())))->fingerprint() == one->fingerprint());
  CHECK(bpe({{"t", "h"}, {"th", "a"}})->fingerprint() != one->fingerprint());
  CHECK(bpe({{"t", "h"}})->fingerprint() != one->fingerprint());
  // The same vocabulary, but words are cut elsewhere.
  nlohmann::json json = test::tiny_bpe_json({{"t", "h"}, {"th", "e"}});
  json["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK(parse_tokenizer_json(json.dump(), "t")->fingerprint() != one->fingerprint());
  // Bytes by name and from the file that they are saved as.
  const TempDir bytes;
  CHECK(load_tokenizer(bytes.file(make_byte_tokenizer()->save(bytes.path())))->fingerprint() ==
        make_byte_tokenizer()->fingerprint());
}

TEST_CASE("dataset.json: survives writing and reading; anything else is an error") {
  const DatasetInfo info{"tokenizer.json", 257, {10, 9, 1}, {5, 4, 1}};
  const DatasetInfo back = parse_dataset_info(to_json(info), "d");
  CHECK(back.tokenizer == "tokenizer.json");
  CHECK(back.vocab_size == 257);
  CHECK(back.train.tokens == 10);
  CHECK(back.val.bytes == 4);
  const auto error = [](const std::string& text) {
    return error_text([&] { parse_dataset_info(text, "d"); });
  };
  CHECK(contains(error("{"), "d: not valid JSON"));
  CHECK(contains(error("[1]"), "not a JSON object"));
  CHECK(contains(error("{}"), "'tokenizer' is missing"));
  CHECK(contains(error(R"({"tokenizer":"../x"})"), "expected a file name"));
  CHECK(contains(error(R"({"tokenizer":"x"})"), "'vocab_size' is missing"));
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":-1})"), "'vocab_size' is -1"));
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":18446744073709551615})"), "whole number"));
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":1})"), "'train' is missing"));
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":1,"train":{"tokens":1.5}})"),
                 "'tokens' is 1.5"));
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":0})"), "'vocab_size' is 0"));
  CHECK(contains(error(R"({"tokenizer":".."})"), "expected a file name"));
  CHECK(contains(error(R"({"tokenizer":"x\u0000y"})"), "expected a file name"));
  CHECK(contains(error(R"({"tokeniser":"x"})"), "did you mean 'tokenizer'?"));
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":1,"train":{"token":1}})"),
                 "did you mean 'tokens'?"));
  // What names a wrong value prints it, which must not end in a stack overflow.
  const std::string deep(200'000, '['), shut(200'000, ']');
  CHECK(contains(error(R"({"tokenizer":"x","vocab_size":)" + deep + shut + "}"), "nested"));
}

}  // namespace
}  // namespace lathe
