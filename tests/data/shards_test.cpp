// Token shards.
#include "data/shards.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <numeric>

#include "base/atomic_file.h"
#include "base/error.h"
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
  CHECK(writer.shards().size() == 3);
  CHECK(writer.shards()[2].file == "train_000002.bin");
  CHECK(writer.shards()[2].tokens == 5);
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

TEST_CASE("shard writer: an unfinished file is no shard yet") {
  const TempDir dir;
  {
    ShardWriter writer(dir.path(), "train", 257);
    writer.append(std::vector<int32_t>{1, 2, 3});
  }
  CHECK(find_shards(dir.path(), "train").empty());
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

}  // namespace
}  // namespace lathe
