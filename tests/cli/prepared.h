// Prepared folders for the tests of `lathe data`.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/checks.h"

namespace lathe::test {

// A shard of the format's version 1 by its description: 256 little-endian words, the first three
// of them 20240520, 1 and the count, then 16-bit tokens.
inline std::vector<int> read_shard(const std::string& path) {
  const std::string bytes = read_file(path);
  REQUIRE(bytes.size() >= 1024);
  uint32_t head[3];
  std::memcpy(head, bytes.data(), sizeof head);
  CHECK(head[0] == 20240520);
  CHECK(head[1] == 1);
  REQUIRE(bytes.size() == 1024 + 2 * head[2]);
  std::vector<int> tokens;
  for (size_t i = 1024; i < bytes.size(); i += 2) {
    uint16_t token;
    std::memcpy(&token, bytes.data() + i, 2);
    tokens.push_back(token);
  }
  return tokens;
}

inline std::string shard_of(const std::vector<uint16_t>& tokens) {
  const uint32_t head[3] = {20240520, 1, static_cast<uint32_t>(tokens.size())};
  std::string bytes(1024, '\0');
  std::memcpy(bytes.data(), head, sizeof head);
  return bytes.append(reinterpret_cast<const char*>(tokens.data()), 2 * tokens.size());
}

inline ProgramResult prepare(const std::string& out, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"data", "prepare", "--tokenizer", "bytes", "--out", out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_lathe(arguments);
}

// A folder prepared from two documents.
struct Prepared {
  Prepared() {
    write_file(dir.file("a.txt"), "hi");
    write_file(dir.file("b.txt"), "you");
    REQUIRE(prepare(out, {dir.file("a.txt"), dir.file("b.txt"), "--val-fraction", "0"}).status ==
            0);
  }
  TempDir dir;
  std::string out = dir.file("out");
  std::string shard = out + "/train_000000.bin";
};

}  // namespace lathe::test
