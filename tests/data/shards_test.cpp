// Token shards and prepared folders.
#include "data/shards.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/dataset.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_text;
using test::TempDir;

// A shard file built by hand: header words from 0 on, then raw token bytes.
std::string shard_bytes(std::vector<uint32_t> words, const std::string& body) {
  words.resize(256);
  std::string file(1024, '\0');
  std::memcpy(file.data(), words.data(), file.size());
  return file + body;
}

std::string parse_error(const std::string& file) {
  return error_text([&] { parse_shard(std::as_bytes(std::span(file)), "x.bin"); });
}

TEST_CASE("shard: version 1 is read as llm.c writes it") {
  const TempDir dir;
  write_file_atomically(dir.file("a.bin"),
                        shard_bytes({20240520, 1, 3}, std::string("\x01\x00\x50\xC3\xFF\xFF", 6)));
  const Shard shard(dir.file("a.bin"));
  CHECK(shard.size() == 3);
  CHECK(shard.bytes_per_token() == 2);
  CHECK(shard.token(0) == 1);
  CHECK(shard.token(1) == 50000);
  CHECK(shard.token(2) == 65535);
  CHECK(shard.max_token() == 65535);
}

TEST_CASE("shard: version 2 has 32-bit tokens and a 64-bit count in words 4 and 5") {
  const TempDir dir;
  write_file_atomically(
      dir.file("a.bin"),
      shard_bytes({20240520, 2, 0, 4, 2, 0}, std::string("\x00\x00\x01\x00\x07\x00\x00\x00", 8)));
  const Shard shard(dir.file("a.bin"));
  CHECK(shard.size() == 2);
  CHECK(shard.token(0) == 65536);
  CHECK(shard.token(1) == 7);
}

TEST_CASE("shard: the writer's bytes are the documented ones") {
  const TempDir dir;
  ShardWriter narrow(dir.path(), "train", 65536);
  narrow.append(std::vector<int32_t>{1, 65535});
  narrow.finish();
  CHECK(read_text_file(dir.file("train_000000.bin")) ==
        shard_bytes({20240520, 1, 2}, std::string("\x01\x00\xFF\xFF", 4)));
  ShardWriter wide(dir.path(), "val", 65537);
  wide.append(std::vector<int32_t>{65536});
  wide.finish();
  CHECK(read_text_file(dir.file("val_000000.bin")) ==
        shard_bytes({20240520, 2, 0, 4, 1, 0}, std::string("\x00\x00\x01\x00", 4)));
}

TEST_CASE("shard: a damaged or foreign file is an error that says what was found") {
  const std::string two("\x01\x00\x02\x00", 4);
  CHECK(contains(parse_error("short"), "5 bytes, expected at least the 1024"));
  CHECK(contains(parse_error(shard_bytes({20240801, 1, 2}, two)), "begins with 20240801"));
  CHECK(contains(parse_error(shard_bytes({20240520, 3, 2}, two)), "version 3, expected 1 or 2"));
  CHECK(contains(parse_error(shard_bytes({20240520, 2, 0, 3, 1}, two)), "3 bytes per token"));
  CHECK(contains(parse_error(shard_bytes({20240520, 2, 0, 0, 1}, two)), "0 bytes per token"));
  CHECK(contains(parse_error(shard_bytes({20240520, 1, 3}, two)), "expected 3 tokens of 2 bytes"));
  CHECK(contains(parse_error(shard_bytes({20240520, 1, 1}, two)), "4 bytes after the header"));
  CHECK(
      contains(parse_error(shard_bytes({20240520, 1, 2}, two + "x")), "5 bytes after the header"));
  CHECK(contains(parse_error(shard_bytes({20240520, 2, 0, 4, 1, 1}, two)), "expected 4294967297"));
  // A count whose size in bytes would overflow 64 bits to the right one.
  CHECK(contains(parse_error(shard_bytes({20240520, 2, 0, 4, 1, 0x40000000}, two)), "expected"));
  CHECK(parse_error(shard_bytes({20240520, 1, 0}, "")) == "");
}

TEST_CASE("shard writer: files hold at most shard_tokens, and the stream joins them again") {
  const TempDir dir;
  std::vector<int32_t> ids(25);
  std::iota(ids.begin(), ids.end(), 0);
  ShardWriter writer(dir.path(), "train", 257, 10);
  writer.append(std::span(ids).first(7));
  writer.append(std::span(ids).subspan(7));
  CHECK_FALSE(fs::exists(dir.file("train_000002.bin")));
  writer.finish();
  CHECK(writer.n_shards() == 3);
  CHECK(writer.n_tokens() == 25);

  const TokenStream stream(dir.path(), "train");
  CHECK(stream.size() == 25);
  CHECK(stream.n_shards() == 3);
  CHECK(stream.shard(2).size() == 5);
  CHECK(stream.max_token() == 24);
  for (int64_t offset = 0; offset <= 25; ++offset) {
    for (int64_t n = 0; offset + n <= 25; ++n) {
      std::vector<int64_t> out(static_cast<size_t>(n));
      stream.copy(offset, out);
      for (int64_t i = 0; i < n; ++i) REQUIRE(out[static_cast<size_t>(i)] == offset + i);
    }
    if (offset < 25) CHECK(stream.token(offset) == offset);
  }
}

TEST_CASE("shard writer: ids outside the vocabulary and impossible sizes are errors") {
  const TempDir dir;
  ShardWriter writer(dir.path(), "train", 257);
  CHECK(contains(error_text([&] { writer.append(std::vector<int32_t>{257}); }),
                 "token id 257, expected 0 to 256"));
  CHECK(contains(error_text([&] { writer.append(std::vector<int32_t>{-1}); }), "token id -1"));
  CHECK(contains(error_text([&] { ShardWriter(dir.path(), "t", 257, 0); }), "0 tokens a shard"));
  CHECK(contains(error_text([&] { ShardWriter(dir.path(), "t", 257, int64_t{1} << 31); }),
                 "expected 1 to 2147483647"));
}

TEST_CASE("shard writer: an unfinished file leaves nothing behind") {
  const TempDir dir;
  {
    ShardWriter writer(dir.path(), "train", 257);
    writer.append(std::vector<int32_t>{1, 2, 3});
  }
  CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("token stream: reads foreign names in order, empty shards and single files") {
  const TempDir dir;
  const auto put = [&](const std::string& name, const std::string& body) {
    write_file_atomically(dir.file(name),
                          shard_bytes({20240520, 1, static_cast<uint32_t>(body.size() / 2)}, body));
  };
  put("fineweb_train_000002.bin", std::string("\x03\x00", 2));
  put("fineweb_train_000001.bin", std::string("\x01\x00\x02\x00", 4));
  put("fineweb_train_000000.bin", "");
  put("fineweb_val_000000.bin", std::string("\x09\x00", 2));
  const TokenStream train(dir.path(), "train");
  std::vector<int64_t> out(3);
  train.copy(0, out);
  CHECK(out == std::vector<int64_t>{1, 2, 3});
  CHECK(TokenStream(dir.path(), "val").token(0) == 9);
  CHECK(TokenStream(dir.file("fineweb_train_000002.bin"), "train").size() == 1);
  CHECK(contains(error_text([&] { train.check_vocab(3); }), "token id 3, expected 0 to 2"));
  train.check_vocab(4);
  CHECK(contains(error_text([&] { TokenStream(dir.path(), "test"); }), "has no shard *test*.bin"));
  CHECK(contains(error_text([&] { TokenStream(dir.file("none"), "train"); }), "cannot open"));
}

// --- prepared folders ---

std::vector<int64_t> read_all(const TokenStream& stream) {
  std::vector<int64_t> out(static_cast<size_t>(stream.size()));
  stream.copy(0, out);
  return out;
}

TEST_CASE("dataset: end of text before every document, every document in one split, counts right") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.2, 50);
  std::vector<int64_t> train, val;
  int64_t val_documents = 0;
  for (int64_t i = 0; i < 200; ++i) {
    const std::string text = "doc " + std::to_string(i);
    writer.add_document(tokenizer->encode(text), static_cast<int64_t>(text.size()));
    const bool is_val = is_validation_document(i, 0.2);
    val_documents += is_val;
    auto& expected = is_val ? val : train;
    expected.push_back(256);
    for (const char c : text) expected.push_back(c);
  }
  const DatasetInfo info = writer.finish();
  CHECK(val_documents > 20);
  CHECK(val_documents < 60);
  CHECK(read_all(TokenStream(dir.path(), "train")) == train);
  CHECK(read_all(TokenStream(dir.path(), "val")) == val);
  CHECK(info.train.documents + info.val.documents == 200);
  CHECK(info.val.documents == val_documents);
  CHECK(info.val.bytes == info.val.tokens - val_documents);
  CHECK(load_dataset_info(dir.path()).train.tokens == static_cast<int64_t>(train.size()));
  CHECK(load_tokenizer(dir.path())->vocab_size() == 257);
}

TEST_CASE("dataset: validation gets a document even when chance gives it none") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 1e-9);
  for (const char* text : {"one", "two", "three"}) writer.add_document(tokenizer->encode(text), 4);
  const DatasetInfo info = writer.finish();
  CHECK(info.train.documents == 2);
  CHECK(info.val.documents == 1);
  CHECK(info.val.tokens == 6);
}

TEST_CASE("dataset: training gets a document even when chance gives all to validation") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.999999);
  writer.add_document(tokenizer->encode("one"), 3);
  writer.add_document(tokenizer->encode("two"), 3);
  const DatasetInfo info = writer.finish();
  CHECK(info.train.documents == 1);
  CHECK(info.val.documents == 1);
}

TEST_CASE("dataset: a single document is divided, its tail is validation") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.1);
  writer.add_document({}, 0);  // empty ones do not count
  writer.add_document(tokenizer->encode("0123456789012345678"), 19);
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
  writer.add_document(tokenizer->encode("text"), 4);
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
