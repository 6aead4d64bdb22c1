// Documents out of files: plain, JSON lines, compressed.
#include "data/document_reader.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;
using test::TempDir;
using Documents = std::vector<std::string>;

Documents read_all(const std::vector<std::string>& files, const std::string& split_on = "") {
  DocumentReader reader(files, {.split_on = split_on});
  Documents documents;
  for (std::string text; reader.next(text);) documents.push_back(text);
  return documents;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST_CASE("documents: a text file is one, with a separator its parts are") {
  const TempDir dir;
  write_file_atomically(dir.file("a.txt"), "one<>two<><>three<");
  write_file_atomically(dir.file("b.txt"), "");
  CHECK(read_all({dir.file("a.txt"), dir.file("b.txt")}) == Documents{"one<>two<><>three<"});
  CHECK(read_all({dir.file("a.txt"), dir.file("a.txt")}, "<>") ==
        Documents{"one", "two", "three<", "one", "two", "three<"});
}

TEST_CASE("documents: separators are found wherever the reads happen to end") {
  const TempDir dir;
  Documents expected;
  std::string text;
  // Around the size of one read (2^18 bytes).
  for (const size_t n : {262'139, 1, 262'136, 3, 700'000, 5}) {
    expected.push_back(std::string(n, 'x'));
    text += expected.back() + "<sep>";
  }
  write_file_atomically(dir.file("a"), text);
  CHECK(read_all({dir.file("a")}, "<sep>") == expected);
}

TEST_CASE("documents: JSON lines give the text of each line") {
  const TempDir dir;
  write_file_atomically(
      dir.file("a.jsonl"),
      "{\"text\":\"one\\n1\",\"id\":1}\r\n\n  \n{\"text\":\"\"}\n{\"text\":\"é\"}");
  CHECK(read_all({dir.file("a.jsonl")}, "n") == Documents{"one\n1", "é"});
  const auto error = [&](const std::string& line) {
    write_file_atomically(dir.file("b.jsonl"), "{\"text\":\"x\"}\n" + line);
    return error_text([&] { read_all({dir.file("b.jsonl")}); });
  };
  CHECK(contains(error("{"), "b.jsonl:2: not JSON at byte 2: found the end"));
  CHECK(contains(error("[1]"), "b.jsonl:2: not JSON at byte 1: found '[', expected a JSON object"));
  CHECK(contains(error("{\"a\":1}"), "b.jsonl:2: no text under \"text\""));
  CHECK(contains(error("{\"text\":1}"), "no text under"));
  CHECK(contains(error("{\"text\":\"\xFF\"}"), "at byte 10: found the byte 0xff"));
  // What follows a NUL is not dropped.
  CHECK(contains(error("{\"text\":\"a\"}" + std::string(1, '\0') + "{\"text\":\"lost\"}"),
                 "b.jsonl:2: not JSON at byte 13: found a NUL byte"));
}

TEST_CASE("documents: JSON lines are known by their first line where the name does not tell") {
  const TempDir dir;
  const std::string lines = "\n{\"id\": 1, \"text\": \"one\"}\n{\"text\":\"two\"}\n";
  const auto read = [&](const std::string& name, const std::string& content) {
    write_file_atomically(dir.file(name), content);
    return read_all({dir.file(name)});
  };
  for (const char* name : {"a.json", "a.ndjson", "A.JSONL", "part-00000", "a.00000-of-01024",
                           "b.gz", "c4-train.00000-of-01024.json.gz", "b.json.zst"}) {
    CAPTURE(name);
    const std::string_view end = name;
    CHECK(read(name, end.ends_with("gz")    ? gzip(lines)
                     : end.ends_with("zst") ? zstd(lines)
                                            : lines) == Documents{"one", "two"});
  }
  CHECK(read("a.txt", lines) == Documents{lines});
  // A first line longer than what is read at once.
  const std::string text(600'000, 'x');
  CHECK(read("long", "{\"text\":\"" + text + "\"}\n{\"text\":\"y\"}") == Documents{text, "y"});
  // Text that begins with a brace.
  for (const char* code : {"{ int text; }", "{\"a\": 1}\n", "{", "{\"text\"}"}) {
    CHECK(read("a.c", code) == Documents{code});
  }
  // A first line that is wrong is an error of that line, not text.
  CHECK(contains(error_text([&] { read("part", "{\"x\":NaN,\"text\":\"a\"}\n"); }), "part:1: "));
  CHECK(contains(error_text([&] { read("a.json", "{\"a\":1}\n"); }), "a.json:1: no text under"));
  CHECK(contains(error_text([&] { read("a.json", "{\"text\":\"a"); }), "a.json:1: not JSON"));
  CHECK(contains(error_text([&] { read("a.json", "[{\"text\":\"a\"}]"); }), "a JSON array"));
  CHECK(contains(error_text([&] { read("a.json", "{\n \"text\": \"a\"\n}\n"); }),
                 "over several lines"));
}

TEST_CASE("documents: another key may hold the text, and is what tells JSON lines") {
  const TempDir dir;
  const std::string lines = "{\"text\":\"no\",\"content\":\"one\"}\n{\"content\":\"two\"}\n";
  write_file_atomically(dir.file("part-0"), lines);
  write_file_atomically(dir.file("b.jsonl"), "{\"text\":\"a\"}\n");
  DocumentReader reader({dir.file("part-0"), dir.file("b.jsonl")}, {.keys = {.text = "content"}});
  std::string text;
  for (const char* expected : {"one", "two"}) {
    REQUIRE(reader.next(text));
    CHECK(text == expected);
  }
  CHECK(contains(error_text([&] { reader.next(text); }),
                 "b.jsonl:1: no text under \"content\", expected {\"content\": …}"));
}

TEST_CASE("documents: prompts and completions tell JSON lines too, and how long a prompt is") {
  const TempDir dir;
  write_file_atomically(dir.file("part-0"),
                        "{\"prompt\":\"ask \",\"completion\":\"yes\"}\n{\"text\":\"plain\"}\n");
  write_file_atomically(dir.file("b.txt"), "{\"prompt\":\"ask\",\"completion\":\"yes\"}\n");
  write_file_atomically(dir.file("c"), "{\"prompt\":\"ask\"}\n");
  DocumentReader reader({dir.file("part-0"), dir.file("b.txt"), dir.file("c")});
  const std::pair<std::string, size_t> kExpected[] = {
      {"ask yes", 4},
      {"plain", 0},
      {"{\"prompt\":\"ask\",\"completion\":\"yes\"}\n", 0},
      {"{\"prompt\":\"ask\"}\n", 0}};
  std::string text;
  for (const auto& [expected, n_prompt] : kExpected) {
    REQUIRE(reader.next(text));
    CHECK(text == expected);
    CHECK(reader.prompt_bytes() == n_prompt);
  }
}

TEST_CASE("documents: one that is too long is bad, and is passed by without being held") {
  const TempDir dir;
  const std::string bomb(40'000'000, 'x');
  const auto read = [&](const std::string& name, const std::string& content, i64 max_bad) {
    write_file_atomically(dir.file(name), content);
    DocumentReader reader({dir.file(name)}, {.split_on = "<>", .most_bytes = 1000}, max_bad);
    Documents documents;
    for (std::string text; reader.next(text);) documents.push_back(text);
    return documents;
  };
  const std::string line = "{\"text\":\"" + bomb + "\"}\n";
  for (const auto& pack : {gzip, zstd}) {
    CHECK(read("a.txt", pack("one<>" + bomb + "<>two"), 1) == Documents{"one", "two"});
    CHECK(read("a.txt", pack(bomb + "<>two<>"), 1) == Documents{"two"});
    CHECK(read("a.txt", pack("one<>" + bomb), 1) == Documents{"one"});
    CHECK(read("a.jsonl", pack("{\"text\":\"a\"}\n" + line + "{\"text\":\"b\"}\n"), 1) ==
          Documents{"a", "b"});
  }
  CHECK(read("a.txt", std::string(1000, 'x'), 0).size() == 1);
  CHECK(contains(error_text([&] { read("a.txt", "a<>" + std::string(1001, 'x'), 0); }),
                 "a.txt': the document at byte 4 has more than 1000 bytes"));
  CHECK(contains(error_text([&] { read("a.jsonl", "\n" + line, 0); }),
                 "a.jsonl:2: the document at byte 2 has more than 1000 bytes"));
}

TEST_CASE("documents: reading goes on from any place, as if it had not stopped") {
  const TempDir dir;
  std::string lines, text;
  for (int i = 0; i < 30; ++i) {
    lines += i % 7 == 3 ? "\n{]\n" : "{\"text\":\"" + std::string(i * 1000, 'x') + "y\"}\n";
    text += std::to_string(i) + (i % 5 ? "<>" : "<><>");
  }
  write_file_atomically(dir.file("a.jsonl"), lines);
  write_file_atomically(dir.file("b.txt"), text);
  write_file_atomically(dir.file("c.gz"), gzip(lines));
  const std::vector<std::string> files = {dir.file("a.jsonl"), dir.file("b.txt"), dir.file("c.gz")};
  const auto rest = [](DocumentReader& reader) {
    std::string all, document;
    while (reader.next(document)) all += document + "|" + std::to_string(reader.file());
    return all + std::to_string(reader.n_bad()) + reader.first_bad();
  };
  DocumentReader reader(files, {.split_on = "<>"}, 100);
  int n = 0;
  for (std::string document; reader.next(document); ++n) {
    DocumentReader again(files, {.split_on = "<>"}, 100), straight(files, {.split_on = "<>"}, 100);
    again.skip_to(reader.place());
    for (int i = 0; i <= n; ++i) straight.next(document);
    CHECK(rest(again) == rest(straight));
  }
  CHECK(n > 60);
  DocumentReader beyond(files, {});
  CHECK(contains(error_text([&] {
                   beyond.skip_to({1, {100'000, 0}, 0, ""});
                 }),
                 "b.txt' has no byte"));
}

TEST_CASE("documents: packed bytes are known by themselves, whatever the name") {
  const TempDir dir;
  write_file_atomically(dir.file("a.txt"), gzip("one"));
  write_file_atomically(dir.file("b"), zstd("two"));
  CHECK(read_all({dir.file("a.txt"), dir.file("b")}) == Documents{"one", "two"});
}

TEST_CASE("documents: what is not text is an error that names it, never text") {
  using namespace std::string_literals;
  const TempDir dir;
  const auto error = [&](const std::string& content) {
    write_file_atomically(dir.file("a.txt"), content);
    return error_text([&] { read_all({dir.file("a.txt")}); });
  };
  CHECK(contains(error("\x7f\x45LF\x02\x01\x01\0"s), "a.txt' is a program (ELF)"));
  CHECK(contains(error("\xfd\x37zXZ\0\0\x04"s), "is xz"));
  CHECK(contains(error("PK\x03\x04\x14\0"s), "is a zip archive"));
  CHECK(contains(error("\x89PNG\r\n\x1a\n"s), "is a picture (PNG)"));
  CHECK(contains(error("BZh91AY&SY\x9a\0"s), "is bzip2"));
  CHECK(contains(error("PAR1\x15\0"s), "is Parquet"));
  CHECK(contains(error("\xff\xfeh\0i\0"s), "is UTF-16 text"));
  CHECK(contains(error("a.txt" + std::string(252, '\0') + "ustar"), "is a tar archive"));
  CHECK(contains(error(gzip(gzip("x"))), "is gzip inside of a compressed file"));
  CHECK(contains(error(gzip("\x7f\x45LF\0"s)), "is a program (ELF)"));
  CHECK(contains(error("\x88\xd8\x34\x01\x01\0\0\0"s), "is a shard of tokens"));
  CHECK(contains(error("some\0thing"s), "neither text nor a format"));
  CHECK(contains(error("\x01\xff\xfd\x02"s), "neither text nor a format"));
  // Behind the first bytes a NUL is an error of the document it is in.
  CHECK(contains(error(std::string(5000, 'x') + "\0"s), "a.txt': byte 5001 is NUL"));
  // Text it is: another encoding, escapes of a terminal, words that begin a format.
  CHECK(error("caf\xe9\n") == "");
  CHECK(error("\x1b[1mbold\x1b[0m\f") == "");
  CHECK(error("BZh and PAR1 begin files, GGUF too") == "");
  CHECK(error(std::string(4095, 'x') + "é") == "");
}

TEST_CASE("documents: bad ones are skipped and counted where that is asked for") {
  const TempDir dir;
  write_file_atomically(dir.file("a.jsonl"), "{]\n{\"text\":\"a\"}\n{\"text\":\"\\ud800\"}\n");
  write_file_atomically(dir.file("b.jsonl"), "{\"txt\":\"a\"}\n{\"text\":\"b\"}\n");
  const std::vector<std::string> files = {dir.file("a.jsonl"), dir.file("b.jsonl")};
  const auto read = [&](DocumentReader& reader) {
    Documents documents;
    for (std::string text; reader.next(text);) documents.push_back(text);
    return documents;
  };
  DocumentReader three(files, {}, 3);
  CHECK(read(three) == Documents{"a", "b"});
  CHECK(three.n_bad() == 3);
  CHECK(contains(three.first_bad(), "a.jsonl:1: not JSON at byte 2"));
  DocumentReader two(files, {}, 2);
  const std::string error = error_text([&] { read(two); });
  CHECK(contains(error, "b.jsonl:1: no text"));
  CHECK(contains(error, "2 bad documents before it were skipped"));
}

TEST_CASE("documents: gzip and zstd files are read as what they hold") {
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "line " + std::to_string(i * 7919 % 10007) + "\n";
  write_file_atomically(dir.file("a.txt.gz"), gzip(text));
  write_file_atomically(dir.file("a.txt.zst"), zstd(text));
  CHECK(read_all({dir.file("a.txt.gz"), dir.file("a.txt.zst")}) == Documents{text, text});
  // Several members or frames in one file.
  const std::string one = "{\"text\":\"1\"}\n", two = "{\"text\":\"2\"}\n";
  write_file_atomically(dir.file("b.jsonl.gz"), gzip(one) + gzip(two));
  write_file_atomically(dir.file("b.jsonl.zst"), zstd(one) + zstd(two));
  CHECK(read_all({dir.file("b.jsonl.gz"), dir.file("b.jsonl.zst")}) ==
        Documents{"1", "2", "1", "2"});
  // Sizes around those of the buffers.
  for (const size_t n : {131'071, 131'072, 131'073, 262'144}) {
    write_file_atomically(dir.file("c.zst"), zstd(std::string(n, 'x')));
    write_file_atomically(dir.file("c.gz"), gzip(std::string(n, 'x')));
    CHECK(read_all({dir.file("c.zst")}) == Documents{std::string(n, 'x')});
    CHECK(read_all({dir.file("c.gz")}) == Documents{std::string(n, 'x')});
  }
}

TEST_CASE("documents: compressed files that are cut short or damaged are errors") {
  const TempDir dir;
  const auto error = [&](const std::string& name, const std::string& bytes) {
    write_file_atomically(dir.file(name), bytes);
    return error_text([&] { read_all({dir.file(name)}); });
  };
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 7919 % 10007);
  const std::string gz = gzip(text), zst = zstd(text);
  CHECK(contains(error("a.gz", gz.substr(0, gz.size() / 2)), "in the middle of its compressed"));
  CHECK(contains(error("a.gz", gz.substr(0, gz.size() - 1)), "in the middle of its compressed"));
  CHECK(contains(error("a.zst", zst.substr(0, zst.size() / 2)), "in the middle of its compressed"));
  CHECK(contains(error("a.zst", zst.substr(0, zst.size() - 1)), "in the middle of its compressed"));
  CHECK(contains(error("a.gz", "plain text"), "not gzip or is damaged"));
  CHECK(contains(error("a.zst", "plain text"), "not zstd or is damaged"));
  CHECK(contains(error("a.gz", gz + "rubbish"), "not gzip or is damaged"));
  CHECK(contains(error("a.gz", ""), "a.gz' ends in the middle of its compressed"));
  CHECK(contains(error("a.zst", ""), "a.zst' ends in the middle of its compressed"));
  CHECK(contains(error_text([&] { read_all({dir.file("none")}); }), "cannot open"));
}

// A frame of one raw block by RFC 8878, its window 2^log bytes.
std::string zstd_frame(int window_log, const std::string& content) {
  const auto block = static_cast<uint32_t>(content.size()) << 3 | 1;  // the last one, raw
  std::string frame = "\x28\xb5\x2f\xfd";
  frame += '\0';  // no sizes, no checksum
  frame += static_cast<char>((window_log - 10) << 3);
  for (int i = 0; i < 3; ++i) frame += static_cast<char>(block >> 8 * i);
  return frame + content;
}

TEST_CASE("documents: zstd windows up to 2 GiB are read, a longer one is said") {
  const TempDir dir;
  for (const int log : {28, 31}) {
    write_file_atomically(dir.file("a.zst"), zstd_frame(log, "some text"));
    CHECK(read_all({dir.file("a.zst")}) == Documents{"some text"});
  }
  write_file_atomically(dir.file("a.zst"), zstd_frame(32, "some text"));
  CHECK(contains(error_text([&] { read_all({dir.file("a.zst")}); }),
                 "a.zst' needs a zstd window of more than 2048 MiB"));
}

}  // namespace
}  // namespace lathe
