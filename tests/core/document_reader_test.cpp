// Documents out of files: plain, JSON lines, compressed, folders.
#include "core/document_reader.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>

#include "core/atomic_file.h"
#include "core/error.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;
using test::TempDir;
using Documents = std::vector<std::string>;

Documents read_all(const std::vector<std::string>& files, const std::string& split_on = "") {
  DocumentReader reader(files, split_on);
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
  CHECK(contains(error("{"), "b.jsonl:2: not a JSON object"));
  CHECK(contains(error("[1]"), "b.jsonl:2: not a JSON object"));
  CHECK(contains(error("{\"a\":1}"), "b.jsonl:2: no text under \"text\""));
  CHECK(contains(error("{\"text\":1}"), "no text under"));
  CHECK(contains(error("{\"text\":\"\xFF\"}"), "not a JSON object"));
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
  CHECK(error("a.gz", "") == "");
  CHECK(error("a.zst", "") == "");
}

TEST_CASE("documents: a folder is its files in the order of their paths, hidden ones left out") {
  const TempDir dir;
  namespace fs = std::filesystem;
  fs::create_directories(dir.file("d/sub"));
  fs::create_directories(dir.file("d/.git"));
  for (const char* name : {"d/b.py", "d/a.txt", "d/sub/c.py.gz", "d/.hidden.py", "d/.git/x.py"}) {
    write_file_atomically(dir.file(name), "x");
  }
  const std::string d = dir.file("d");
  CHECK(list_input_files({d}, {}) ==
        std::vector<std::string>{d + "/a.txt", d + "/b.py", d + "/sub/c.py.gz"});
  CHECK(list_input_files({d}, {".py"}) ==
        std::vector<std::string>{d + "/b.py", d + "/sub/c.py.gz"});
  CHECK(list_input_files({d + "/a.txt"}, {".py"}) == std::vector<std::string>{d + "/a.txt"});
  CHECK(contains(error_text([&] { list_input_files({d}, {".cc"}); }), "with the wanted extension"));
  CHECK(contains(error_text([&] { list_input_files({dir.file("none")}, {}); }), "does not exist"));
  CHECK(contains(error_text([&] { read_all({dir.file("none")}); }), "cannot open"));
}

}  // namespace
}  // namespace lathe
