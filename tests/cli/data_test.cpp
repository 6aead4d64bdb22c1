// lathe data, run as a program.
#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/checks.h"
#include "cli/prepared.h"

using namespace lathe::test;
using Json = nlohmann::json;

TEST_CASE("data prepare: every document behind an end-of-text token, in the order of the inputs") {
  const Prepared p;
  CHECK(read_shard(p.shard) == std::vector<int>{256, 'h', 'i', 256, 'y', 'o', 'u'});
  const Json info = Json::parse(read_file(p.out + "/dataset.json"));
  CHECK(info.at("vocab_size") == 257);
  // The checksum is what Python's zlib.crc32 gives.
  CHECK(info.at("train") == Json{{"tokens", 7}, {"bytes", 5}, {"documents", 2}});
  CHECK(info.at("shards").at("train") ==
        Json::array({{{"file", "train_000000.bin"}, {"tokens", 7}, {"checksum", 3033966677}}}));
  CHECK(info.at("shards").at("val").empty());
  CHECK(info.at("val") == Json{{"tokens", 0}, {"bytes", 0}, {"documents", 0}});
}

TEST_CASE("data prepare: --split-on divides a file, --shard-tokens the shards") {
  const TempDir dir;
  write_file(dir.file("a"), "one\n--\ntwo");
  REQUIRE(prepare(dir.file("out"), {dir.file("a"), "--val-fraction", "0", "--split-on", "\\n--\\n",
                                    "--shard-tokens", "5"})
              .status == 0);
  CHECK(read_shard(dir.file("out/train_000000.bin")) == std::vector<int>{256, 'o', 'n', 'e', 256});
  CHECK(read_shard(dir.file("out/train_000001.bin")) == std::vector<int>{'t', 'w', 'o'});
}

TEST_CASE("data prepare: --text-key names what the text is under") {
  const TempDir dir;
  write_file(dir.file("a.jsonl"), "{\"text\":\"no\",\"content\":\"hi\"}\n");
  REQUIRE(prepare(dir.file("out"),
                  {dir.file("a.jsonl"), "--val-fraction", "0", "--text-key", "content"})
              .status == 0);
  CHECK(read_shard(dir.file("out/train_000000.bin")) == std::vector<int>{256, 'h', 'i'});
}

TEST_CASE("data prepare: a program without Arrow beside it says how to read Parquet") {
  const TempDir dir;
  const std::string alone = dir.file("lathe");
  std::filesystem::copy_file(LATHE_BIN_DIR "/lathe", alone);
  write_file(dir.file("a.parquet"), "PAR1 and so on PAR1");
  check_refused(run_program({alone, "data", "prepare", "--tokenizer", "bytes", "--out",
                             dir.file("out"), dir.file("a.parquet")}),
                1, {"a.parquet' is Parquet", "no liblathe_parquet.so", "scripts/setup --parquet"});
  CHECK(names_in(dir.path()) == std::vector<std::string>{"a.parquet", "lathe"});
}

TEST_CASE("data prepare: the number of threads changes no byte, and every token is in one split") {
  const TempDir dir;
  std::string lines;
  for (int i = 0; i < 3000; ++i) lines += "{\"text\":\"document " + std::to_string(i) + "\"}\n";
  write_file(dir.file("a.jsonl"), lines);
  for (const char* threads : {"1", "4"}) {
    REQUIRE(prepare(dir.file(threads),
                    {dir.file("a.jsonl"), "--val-fraction", "0.1", "--threads", threads})
                .status == 0);
  }
  size_t n_tokens = 0;
  for (const char* split : {"train", "val"}) {
    const std::string name = std::string("/") + split + "_000000.bin";
    CHECK(read_file(dir.file("1") + name) == read_file(dir.file("4") + name));
    n_tokens += read_shard(dir.file("1") + name).size();
  }
  CHECK(n_tokens == lines.size() - 3000 * std::strlen("{\"text\":\"\"}\n") + 3000);
  CHECK(read_shard(dir.file("1/val_000000.bin")).size() > n_tokens / 20);
}

TEST_CASE("data prepare: wrong input exits with 1 and one line, and leaves no folder") {
  const TempDir dir;
  write_file(dir.file("a.txt"), "text");
  write_file(dir.file("empty"), "");
  write_file(dir.file("bad.gz"), "no gzip");
  write_file(dir.file("bad.zst"), "no zstd");
  write_file(dir.file("bad.jsonl"), "{\"text\":\"a\"}\n\n{]\n");
  write_file(dir.file("nothing.gz"), "");
  std::filesystem::create_directory(dir.file("folder"));
  const std::vector<std::string> before = names_in(dir.path());
  const std::string out = dir.file("out");
  check_refused(prepare(out, {dir.file("none")}), 1, {dir.file("none"), "does not exist"});
  check_refused(prepare(out, {dir.file("folder")}), 1, {dir.file("folder"), "no file"});
  check_refused(prepare(out, {dir.file("empty")}), 1, {"no text"});
  check_refused(prepare(out, {dir.file("bad.gz")}), 1, {"bad.gz", "not gzip"});
  check_refused(prepare(out, {dir.file("bad.zst")}), 1, {"bad.zst", "not zstd"});
  check_refused(prepare(out, {dir.file("bad.jsonl")}), 1, {"bad.jsonl:3", "JSON"});
  check_refused(prepare(out, {dir.file("nothing.gz")}), 1, {"nothing.gz", "in the middle"});
  check_refused(prepare(out, {LATHE_BIN_DIR "/lathe"}), 1, {"lathe", "a program (ELF)"});
  check_refused(prepare(out, {dir.file("a.txt"), "--extension", ".md", dir.file("folder")}), 1,
                {"wanted extension"});
  check_refused(prepare("/proc/none/out", {dir.file("a.txt")}), 1, {"/proc/none/out"});
  check_refused(prepare(dir.file("a.txt") + "/out", {dir.file("a.txt")}), 1, {"a.txt/out"});
  check_refused(prepare(dir.file("a.txt"), {dir.file("a.txt")}), 1, {"is a file"});
  check_refused(run_lathe({"data", "prepare", "--tokenizer", dir.file("none.json"), "--out", out,
                           dir.file("a.txt")}),
                1, {"none.json", "does not exist"});
  CHECK(names_in(dir.path()) == before);
}

TEST_CASE("data prepare: a folder that exists stays, and --force replaces a prepared one only") {
  const Prepared p;
  write_file(p.dir.file("c.txt"), "new");
  const std::string shard = read_file(p.shard);
  check_refused(prepare(p.out, {p.dir.file("c.txt")}), 1, {p.out, "not empty", "--force"});
  CHECK(read_file(p.shard) == shard);
  REQUIRE(prepare(p.out, {p.dir.file("c.txt"), "--val-fraction", "0", "--force"}).status == 0);
  CHECK(read_shard(p.shard) == std::vector<int>{256, 'n', 'e', 'w'});
  // What fails has changed nothing.
  check_refused(prepare(p.out, {p.dir.file("none"), "--force"}), 1, {"does not exist"});
  CHECK(read_shard(p.shard) == std::vector<int>{256, 'n', 'e', 'w'});
  std::filesystem::remove(p.out + "/dataset.json");
  check_refused(prepare(p.out, {p.dir.file("c.txt"), "--force"}), 1, {"no dataset.json"});
  CHECK(names_in(p.dir.path()) == std::vector<std::string>{"a.txt", "b.txt", "c.txt", "out"});
}

TEST_CASE("data prepare: its own output and tokenizer are no input, however often it runs") {
  const TempDir dir;
  const std::string co = dir.file("co"), out = co + "/prep", tok = co + "/tokenizer.json";
  std::filesystem::create_directory(co);
  write_file(co + "/a.txt", "one one one");
  write_file(co + "/b.txt", "two");
  for (int i = 0; i < 2; ++i) {
    REQUIRE(run_lathe({"tokenizer", "train", "--vocab-size", "260", "--out", tok, co}).status == 0);
    const ProgramResult result =
        run_lathe({"data", "prepare", "--tokenizer", tok, "--out", out, "--force", co});
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    const Json info = Json::parse(read_file(out + "/dataset.json"));
    CHECK(info.at("train").at("documents") == 1);
    CHECK(info.at("val").at("documents") == 1);
    CHECK(info.at("train").at("bytes").get<int>() + info.at("val").at("bytes").get<int>() == 14);
  }
  CHECK(names_in(co) == std::vector<std::string>{"a.txt", "b.txt", "prep", "tokenizer.json"});
}

TEST_CASE("data prepare: an empty folder that is there is filled where it is") {
  const TempDir dir;
  write_file(dir.file("a.txt"), "hi");
  const std::string parent = dir.file("parent"), out = parent + "/out";
  std::filesystem::create_directories(out);
  std::filesystem::permissions(out, std::filesystem::perms::owner_all);
  std::filesystem::permissions(
      parent, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  for (const char* more : {"--val-fraction", "--force"}) {  // empty, then full
    std::vector<std::string> arguments = {dir.file("a.txt"), "--val-fraction", "0"};
    if (more == std::string("--force")) arguments.push_back(more);
    const ProgramResult result = prepare(out, arguments);
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    CHECK(read_shard(out + "/train_000000.bin") == std::vector<int>{256, 'h', 'i'});
    CHECK(names_in(out) == std::vector<std::string>{"dataset.json", "inputs.jsonl",
                                                    "tokenizer.json", "train_000000.bin"});
  }
  std::filesystem::permissions(parent, std::filesystem::perms::owner_all);
}

TEST_CASE("data prepare: a mount point is filled, and filled anew") {
  const TempDir dir;
  for (const char* name : {"mount", "disk", "disk/lost+found"}) {
    std::filesystem::create_directory(dir.file(name));
  }
  write_file(dir.file("a.txt"), "hi");
  write_file(dir.file("b.txt"), "you");
  // `command` where "disk" lies over "mount".
  const auto mounted = [&](const std::string& command) {
    return run_program({"unshare", "--user", "--map-root-user", "--mount", "bash", "-c",
                        "cd '" + dir.path() + "' && mount --bind disk mount && " + command});
  };
  if (mounted("true").status != 0) {
    MESSAGE("skipped: mounting is not possible here");
    return;
  }
  const std::string lathe =
      LATHE_BIN_DIR "/lathe data prepare --tokenizer bytes --val-fraction 0 --out mount ";
  const ProgramResult first = mounted(lathe + "a.txt");
  CAPTURE(first.err);
  CHECK(first.status == 0);
  const std::string shard = dir.file("disk/train_000000.bin");
  CHECK(read_shard(shard) == std::vector<int>{256, 'h', 'i'});
  CHECK(mounted(lathe + "b.txt").status == 1);
  const ProgramResult again = mounted(lathe + "--force b.txt");
  CAPTURE(again.err);
  CHECK(again.status == 0);
  CHECK(read_shard(shard) == std::vector<int>{256, 'y', 'o', 'u'});
  CHECK(names_in(dir.file("disk")) == std::vector<std::string>{"dataset.json", "inputs.jsonl",
                                                               "lost+found", "tokenizer.json",
                                                               "train_000000.bin"});
}

TEST_CASE("data prepare: --skip-bad goes on past bad lines and says how many") {
  const TempDir dir;
  write_file(dir.file("a.jsonl"),
             "{\"text\":\"hi\"}\n{\"x\":NaN,\"text\":\"a\"}\n{\"x\":1e999,\"text\":\"you\"}\n{]\n");
  const std::string out = dir.file("out");
  check_refused(prepare(out, {dir.file("a.jsonl")}), 1, {"a.jsonl:2", "byte 6", "NaN"});
  check_refused(prepare(out, {dir.file("a.jsonl"), "--skip-bad", "1"}), 1,
                {"a.jsonl:4", "1 bad document"});
  const ProgramResult result =
      prepare(out, {dir.file("a.jsonl"), "--skip-bad", "2", "--val-fraction", "0"});
  REQUIRE(result.status == 0);
  CHECK(has(result.err, "skipped 2 bad documents, the first: "));
  CHECK(has(result.err, "a.jsonl:2"));
  CHECK(read_shard(out + "/train_000000.bin") ==
        std::vector<int>{256, 'h', 'i', 256, 'y', 'o', 'u'});
}

TEST_CASE("data prepare: the bytes of a divided document are those of its tokens") {
  const TempDir dir;
  std::string text;  // 25 characters of 4 bytes: 13 of the 101 tokens cut one in two
  for (int i = 0; i < 25; ++i) text += "\xf0\x9f\x98\x80";
  write_file(dir.file("a.txt"), text);
  const std::string out = dir.file("out");
  REQUIRE(prepare(out, {dir.file("a.txt"), "--val-fraction", "0.13"}).status == 0);
  const Json info = Json::parse(read_file(out + "/dataset.json"));
  CHECK(info.at("val").at("tokens") == 13);
  CHECK(info.at("val").at("bytes") == 13);
  CHECK(info.at("train").at("tokens") == 88);
  CHECK(info.at("train").at("bytes") == 87);
}

TEST_CASE("data: a full disk is an error, and no folder is left") {
  const TempDir dir;
  write_file(dir.file("a.txt"), std::string(100'000, 'x'));
  check_refused(run_with_file_limit(16, {"data", "prepare", "--tokenizer", "bytes", "--out",
                                         dir.file("out"), dir.file("a.txt")}),
                1, {"train_000000.bin", "File too large"});
  CHECK(names_in(dir.path()) == std::vector<std::string>{"a.txt"});
  const Prepared p;
  check_refused(run_to_full_disk({"data", "info", p.out}), 1, {"No space left on device"});
}

TEST_CASE("data: a wrong usage exits with 2 and one line") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"data"},
           {"data", "inof"},
           {"data", "info"},
           {"data", "info", "a", "b"},
           {"data", "info", "a", "--bogus"},
           {"data", "prepare", "--tokenizer", "bytes", "--out", "x"},
           {"data", "prepare", "--tokenizer", "bytes", "a.txt"},
           {"data", "prepare", "--out", "x", "a.txt"},
           {"data", "prepare", "--tokenizer", "bytes", "--out", "x", "a", "--val-fraction", "2"},
           {"data", "prepare", "--tokenizer", "bytes", "--out", "x", "a", "--val-fraction", "few"},
           {"data", "prepare", "--tokenizer", "bytes", "--out", "x", "a", "--shard-tokens", "0"},
           {"data", "prepare", "--tokenizer", "bytes", "--out", "x", "a", "--threads", "-1"}}) {
    CAPTURE(arguments.back());
    check_refused(run_lathe(arguments), 2);
  }
}
