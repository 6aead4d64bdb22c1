// What a prepared folder says of itself, and lathe data info, run as a program.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/checks.h"
#include "cli/prepared.h"

using namespace lathe::test;
using Json = nlohmann::json;

TEST_CASE("data info: counts what the shards hold, as a table and as JSON") {
  const Prepared p;
  const ProgramResult result = run_lathe({"data", "info", p.out, "--json"});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  const Json json = Json::parse(result.out);
  CHECK(json.at("vocab_size") == 257);
  CHECK(json.at("train").at("tokens") == 7);
  CHECK(json.at("train").at("max_id") == 256);
  CHECK(json.at("train").at("bytes_per_token").get<double>() == doctest::Approx(5.0 / 7));
  CHECK(json.at("val").is_null());
  CHECK(has(run_lathe({"data", "info", p.out}).out, "train: tokens 7"));
  // Shards alone, of whatever made them.
  const TempDir plain;
  write_file(plain.file("x_val_1.bin"), shard_of({5, 3}));
  CHECK(
      Json::parse(run_lathe({"data", "info", plain.path(), "--json"}).out).at("val").at("max_id") ==
      5);
}

TEST_CASE("data info: of prompts and completions it says how many tokens are learnt") {
  const TempDir dir;
  write_file(dir.file("a.jsonl"),
             "{\"prompt\":\"2+2=\",\"completion\":\"4\"}\n{\"q\":\"1+1=\",\"a\":\"2\"}\n");
  const std::string out = dir.file("out");
  check_refused(prepare(out, {dir.file("a.jsonl"), "--val-fraction", "0"}), 1,
                {"a.jsonl:2: no text under \"text\"", "\"completion\": …"});
  REQUIRE(prepare(out, {dir.file("a.jsonl"), "--val-fraction", "0", "--skip-bad", "1"}).status ==
          0);
  const Json train = Json::parse(run_lathe({"data", "info", out, "--json"}).out).at("train");
  // | 2 + 2 = 4 |
  CHECK(train.at("tokens") == 7);
  CHECK(train.at("counted") == 3);
  CHECK(has(run_lathe({"data", "info", out}).out, "counted 3"));
  CHECK(names_in(out) == std::vector<std::string>{"dataset.json", "inputs.jsonl", "tokenizer.json",
                                                  "train_000000.bin", "train_000000.mask"});
  write_file(out + "/train_000000.mask", "lathmask");
  check_refused(run_lathe({"data", "info", out}), 1, {"train_000000.mask: 8 bytes, expected"});
  // Other keys.
  const std::string other = dir.file("other");
  REQUIRE(prepare(other, {dir.file("a.jsonl"), "--val-fraction", "0", "--skip-bad", "1",
                          "--prompt-key", "q", "--completion-key", "a"})
              .status == 0);
  CHECK(read_shard(other + "/train_000000.bin") ==
        std::vector<int>{256, '1', '+', '1', '=', '2', 256});
}

TEST_CASE("data info: shards or dataset.json that do not tell the truth are one clear error") {
  const auto refused = [](const Prepared& p, const std::vector<std::string>& parts) {
    check_refused(run_lathe({"data", "info", p.out}), 1, parts);
  };
  const auto rewrite = [&](const char* key, const Json& value,
                           const std::vector<std::string>& parts) {
    const Prepared p;
    Json json = Json::parse(read_file(p.out + "/dataset.json"));
    json[key] = value;
    write_file(p.out + "/dataset.json", json.dump());
    refused(p, parts);
  };
  rewrite("vocabsize", 3, {"dataset.json", "'vocabsize'", "did you mean 'vocab_size'?"});
  rewrite("vocab_size", "many", {"dataset.json", "'vocab_size'", "\"many\"", "whole number"});
  rewrite("vocab_size", 256, {"token id 256", "0 to 255"});
  rewrite("train", 7, {"dataset.json", "'train'"});
  rewrite("train", {{"tokens", 8}, {"bytes", 5}, {"documents", 2}}, {"7 tokens", "8"});
  const auto one = [](const Json& shard) {
    return Json{{"train", Json::array({shard})}, {"val", Json::array()}};
  };
  rewrite("shards", 7, {"dataset.json", "'shards' is no object"});
  rewrite("shards", {{"train", 7}}, {"dataset.json", "'train' of 'shards' is missing"});
  rewrite("shards", one(7), {"dataset.json", "'shards' holds number"});
  rewrite("shards", one({{"file", "../x"}}), {"dataset.json", "'file'", "../x"});
  rewrite("shards", one({{"file", "x"}, {"tokens", 7}, {"checksum", int64_t{1} << 32}}),
          {"dataset.json", "'checksum' is 4294967296"});
  rewrite("fingerprint", 3, {"dataset.json", "'fingerprint' is no string"});
  rewrite("fingerprint", "0", {"another tokenizer (fingerprint 0)"});
  rewrite("tokenizer", "../x", {"'../x'", "file name"});
  {
    const Prepared p;
    const std::string bytes = read_file(p.shard);
    write_file(p.shard, bytes.substr(0, bytes.size() - 1));
    refused(p, {p.shard, "13 bytes", "7 tokens", "is the file whole?"});
    write_file(p.shard, bytes + "x");
    refused(p, {p.shard, "is the file whole?"});
    write_file(p.shard, bytes.substr(0, 10));
    refused(p, {p.shard, "10 bytes", "1024"});
    write_file(p.shard, "");
    refused(p, {p.shard, "0 bytes"});
    write_file(p.shard, std::string(2000, 'x'));
    refused(p, {p.shard, "20240520"});
    std::filesystem::remove(p.shard);
    refused(p, {"no shard", "7 tokens"});
    std::filesystem::create_directory(p.shard);
    refused(p, {p.shard, "a folder"});
    write_file(p.out + "/dataset.json", "");
    refused(p, {"dataset.json", "JSON"});
    std::filesystem::remove(p.out + "/dataset.json");
    std::filesystem::create_directory(p.out + "/dataset.json");
    refused(p, {"dataset.json", "Is a directory"});
  }
  const TempDir dir;
  check_refused(run_lathe({"data", "info", dir.path()}), 1, {dir.path(), "neither dataset.json"});
  check_refused(run_lathe({"data", "info", dir.file("none")}), 1, {dir.file("none")});
}

TEST_CASE("data info: a shard that was changed, is too many or missing is refused by name") {
  const Prepared p;
  const std::string shard = read_file(p.shard), second = p.out + "/train_000001.bin";
  std::string changed = shard;
  changed.back() = 1;
  write_file(p.shard, changed);
  check_refused(run_lathe({"data", "info", p.out}), 1,
                {p.shard, "checksum", "damaged or changed, prepare the data again"});
  write_file(p.shard, shard);
  write_file(second, shard);
  check_refused(run_lathe({"data", "info", p.out}), 1, {second, "does not know of this shard"});
  std::filesystem::remove(second);
  CHECK(run_lathe({"data", "info", p.out}).status == 0);
  // Another tokenizer of the same size in place of the folder's own.
  const std::string tokenizer = read_file(p.out + "/tokenizer.json");
  Json json = Json::parse(tokenizer);
  json["model"]["vocab"]["a"] = json["model"]["vocab"].at("b");
  json["model"]["vocab"]["b"] = Json::parse(tokenizer)["model"]["vocab"].at("a");
  write_file(p.out + "/tokenizer.json", json.dump());
  check_refused(run_lathe({"data", "info", p.out}), 1, {p.out, "another tokenizer (fingerprint"});
}

TEST_CASE("data prepare: inputs.jsonl has a line a file, of what was taken from it") {
  const TempDir dir;
  write_file(dir.file("a.jsonl"),
             "{\"text\":\"one\"}\n{\"text\":\"\"}\n{]\n{\"text\":\"three\"}\n");
  write_file(dir.file("b.txt"), "");
  write_file(dir.file("c.txt"), "onethree");
  write_file(dir.file("d.txt"), "onethree");
  const std::string out = dir.file("out");
  REQUIRE(prepare(out, {dir.file("a.jsonl"), dir.file("b.txt"), dir.file("c.txt"),
                        dir.file("d.txt"), dir.file("b.txt"), "--skip-bad", "1"})
              .status == 0);
  std::vector<Json> lines;
  std::istringstream in(read_file(out + "/inputs.jsonl"));
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].at("file") == dir.file("a.jsonl"));
  CHECK(lines[0].at("documents") == 2);
  CHECK(lines[0].at("bytes") == 8);
  CHECK(lines[0].at("tokens") == 10);
  CHECK(lines[1].at("documents") == 0);
  CHECK(lines[2].at("documents") == 1);
  CHECK(lines[2].at("bytes") == 8);
  CHECK(lines[2].at("hash") == lines[3].at("hash"));
  CHECK(lines[2].at("hash") != lines[0].at("hash"));
  CHECK(lines[4].at("file") == dir.file("b.txt"));
}
