// lathe tokenizer, run as a program.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/checks.h"

using namespace lathe::test;
using Json = nlohmann::json;

TEST_CASE("tokenizer encode, decode: ids by line, and the text comes back byte for byte") {
  const std::string text = "ab\n\n a\xc3\xa9\tz\n\xff\n";
  const ProgramResult ids = run_lathe({"tokenizer", "encode", "--tokenizer", "bytes"}, text);
  CHECK(ids.status == 0);
  CHECK(ids.err == "");
  CHECK(ids.out == "97 98\n\n32 97 195 169 9 122\n255\n");
  const ProgramResult back = run_lathe({"tokenizer", "decode", "--tokenizer", "bytes"}, ids.out);
  CHECK(back.status == 0);
  CHECK(back.out == text);
  // A last line without an end is a document too.
  CHECK(run_lathe({"tokenizer", "encode", "--tokenizer", "bytes"}, "a").out == "97\n");
  CHECK(run_lathe({"tokenizer", "encode", "--tokenizer", "bytes"}, "").out == "");
}

TEST_CASE("tokenizer train: the first merge is the most frequent pair, and the file encodes") {
  const TempDir dir;
  write_file(dir.file("a.txt"), "xyxyxy xyxy ab ab xy");  // xy: 6, ab: 2
  const std::string out = dir.file("tok.json");
  const ProgramResult trained =
      run_lathe({"tokenizer", "train", "--vocab-size", "258", "--out", out, dir.file("a.txt")});
  CHECK(trained.status == 0);
  CHECK(trained.out == "");
  CHECK(has(trained.err, "258 tokens"));
  const Json json = Json::parse(read_file(out));
  const Json& merges = json.at("model").at("merges");
  REQUIRE(merges.size() == 1);
  CHECK((merges[0] == "x y" || merges[0] == Json::array({"x", "y"})));
  const int id = json.at("model").at("vocab").at("xy").get<int>();
  const ProgramResult ids = run_lathe({"tokenizer", "encode", "--tokenizer", out}, "xyxy\n");
  CHECK(ids.out == std::to_string(id) + " " + std::to_string(id) + "\n");
  CHECK(run_lathe({"tokenizer", "decode", "--tokenizer", out}, ids.out).out == "xyxy\n");
}

TEST_CASE("tokenizer train: a text too small for the vocabulary is said, the file is good") {
  const TempDir dir;
  write_file(dir.file("a.txt"), "xyxy");
  const ProgramResult trained = run_lathe({"tokenizer", "train", "--vocab-size", "999", "--out",
                                           dir.path(), dir.file("a.txt"), "--threads", "2"});
  CHECK(trained.status == 0);
  CHECK(has(trained.err, "999 were asked for"));
  CHECK(Json::parse(read_file(dir.file("tokenizer.json"))).contains("model"));
}

TEST_CASE("tokenizer: what is wrong with the input exits with 1 and one line, and writes nothing") {
  const TempDir dir;
  write_file(dir.file("text"), "some text");
  write_file(dir.file("empty"), "");
  write_file(dir.file("bad.json"), R"({"model": {"type": "BPE"})");
  write_file(dir.file("other.json"), R"({"model": {"type": "WordPiece"}})");
  write_file(dir.file("empty.json"), "");
  write_file(dir.file("bad.model"), "no model");
  write_file(dir.file("a.gz"), "no gzip");
  write_file(dir.file("a.jsonl"), "{\"text\":\"a\"}\n{\"txt\":\"b\"}\n");
  std::filesystem::create_directory(dir.file("folder.json"));
  std::filesystem::create_directory(dir.file("folder"));
  const std::vector<std::string> before = names_in(dir.path());
  const auto train = [&](const std::string& out, const std::string& text,
                         const std::string& size = "300") {
    return run_lathe({"tokenizer", "train", "--vocab-size", size, "--out", out, text});
  };
  const std::string out = dir.file("out.json");
  check_refused(train(out, dir.file("none")), 1, {dir.file("none"), "does not exist"});
  check_refused(train(out, dir.file("folder")), 1, {dir.file("folder"), "no file"});
  check_refused(train(out, dir.file("empty")), 1, {"no text"});
  check_refused(train(out, dir.file("a.gz")), 1, {"a.gz", "not gzip"});
  check_refused(train(out, dir.file("a.jsonl")), 1, {"a.jsonl:2", "\"text\""});
  check_refused(train(out, dir.file("text"), "3"), 1, {"3", "257"});
  check_refused(train(dir.file("out.txt"), dir.file("text")), 1, {"out.txt", ".json"});
  check_refused(train("/proc/none/out.json", dir.file("text")), 1, {"/proc/none/out.json"});
  check_refused(train(dir.file("text") + "/out.json", dir.file("text")), 1, {"text/out.json"});
  CHECK(names_in(dir.path()) == before);
  for (const char* action : {"encode", "decode"}) {
    const auto use = [&](const std::string& tokenizer) {
      return run_lathe({"tokenizer", action, "--tokenizer", tokenizer}, "1\n");
    };
    check_refused(use(dir.file("none.json")), 1, {"none.json", "does not exist"});
    check_refused(use(dir.file("folder.json")), 1, {"folder.json", "holds no tokenizer"});
    check_refused(use(dir.file("text")), 1, {"no tokenizer file"});
    check_refused(use(dir.file("bad.json")), 1, {"bad.json", "JSON"});
    check_refused(use(dir.file("empty.json")), 1, {"empty.json", "JSON"});
    check_refused(use(dir.file("other.json")), 1, {"other.json", "WordPiece", "BPE"});
    check_refused(use(dir.file("bad.model")), 1, {"bad.model"});
  }
  const auto decode = [](const std::string& ids) {
    return run_lathe({"tokenizer", "decode", "--tokenizer", "bytes"}, ids);
  };
  check_refused(decode("97 x\n"), 1, {"line 1", "'x'"});
  check_refused(decode("97 99999999999\n"), 1, {"99999999999"});
  check_refused(decode("257\n"), 1, {"257", "256"});
  check_refused(decode("-1\n"), 1, {"-1"});
}

TEST_CASE("tokenizer encode, decode: an input that cannot be read is an error") {
  const TempDir dir;
  write_file(dir.file("program"), "\x7f\x45LF\x02\x01");
  write_file(dir.file("cut.gz"), "\x1f\x8b\x08");
  for (const char* action : {"encode", "decode"}) {
    const auto use = [&](const std::string& redirect) {
      return run_in_bash("", {"tokenizer", action, "--tokenizer", "bytes"}, redirect);
    };
    check_refused(use("<" + dir.path()), 1, {"standard input", "Is a directory"});
    check_refused(use("<&-"), 1, {"standard input", "Bad file descriptor"});
    check_refused(use("<" + dir.file("program")), 1, {"standard input", "a program (ELF)"});
    check_refused(use("<" + dir.file("cut.gz")), 1, {"standard input", "in the middle"});
  }
}

TEST_CASE("tokenizer: a full disk is an error, and no file is left") {
  const TempDir dir;
  write_file(dir.file("a.txt"), "xyxy");
  check_refused(run_with_file_limit(1, {"tokenizer", "train", "--vocab-size", "258", "--out",
                                        dir.file("out.json"), dir.file("a.txt")}),
                1, {"out.json", "File too large"});
  CHECK(names_in(dir.path()) == std::vector<std::string>{"a.txt"});
  check_refused(run_to_full_disk({"tokenizer", "encode", "--tokenizer", "bytes"}, "a\n"), 1,
                {"No space left on device"});
  check_refused(run_to_full_disk({"tokenizer", "decode", "--tokenizer", "bytes"}, "97\n"), 1,
                {"No space left on device"});
}

TEST_CASE("tokenizer: a wrong usage exits with 2 and one line") {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"tokenizer"},
           {"tokenizer", "trian"},
           {"tokenizer", "encode"},
           {"tokenizer", "encode", "--tokenizer"},
           {"tokenizer", "encode", "--tokenizer", "bytes", "--bogus"},
           {"tokenizer", "decode", "--tokenizer", "bytes", "more"},
           {"tokenizer", "train", "--vocab-size", "many", "--out", "x.json", "text"},
           {"tokenizer", "train", "--vocab-size", "300", "text"},
           {"tokenizer", "train", "--vocab-size", "300", "--out", "x.json"},
           {"tokenizer", "train", "--vocab-size", "300", "--out", "x.json", "t", "--threads",
            "0"}}) {
    CAPTURE(arguments.back());
    check_refused(run_lathe(arguments), 2);
  }
}
