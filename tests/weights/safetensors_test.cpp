#include "weights/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t n = header.size();
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(n >> (8 * i));
  return bytes + header + data;
}

SafetensorsContent parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "x.safetensors");
}

std::string error_of(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("safetensors: a file written by hand is read, padding and order included") {
  // Header names in another order than the data, spaces behind the header, an empty tensor.
  const std::string file =
      file_of(R"({"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},)"
              R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]},)"
              R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
              R"("__metadata__":{"format":"pt"}}   )",
              std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x80\x3f\x00\x40\x40\x40", 14));
  const SafetensorsContent content = parse(file);
  REQUIRE(content.tensors.size() == 3);
  CHECK(content.tensors[0].name == "a");
  CHECK(content.tensors[1].name == "none");
  CHECK(content.tensors[2].name == "b");
  CHECK(content.tensors[0].shape == std::vector<i64>{1, 2});
  CHECK(content.tensors[0].dtype == DType::kF32);
  CHECK(content.tensors[1].numel() == 0);
  CHECK(content.tensors[2].numel() == 3);
  float a[2];
  std::memcpy(a, content.tensors[0].bytes.data(), sizeof a);
  CHECK(a[0] == 1.0f);
  CHECK(a[1] == -2.0f);
  CHECK(content.metadata.at("format") == "pt");
}

TEST_CASE("safetensors: a scalar has no extents and one element") {
  const auto content =
      parse(file_of(R"({"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})", std::string(8, 1)));
  CHECK(content.tensors.at(0).numel() == 1);
}

TEST_CASE("safetensors: every lie in a header gives one clear error") {
  const auto one = [](const std::string& entry, size_t n = 8) {
    return file_of("{\"t\":" + entry + "}", std::string(n, 0));
  };
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  REQUIRE(error_of(one(good)) == "");
  const std::pair<std::string, const char*> lies[] = {
      {"", "expected at least 8"},
      {std::string(7, 0), "expected at least 8"},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8), "at most"},
      {std::string("\xff\0\0\0\0\0\0\0{}", 10), "incomplete download"},
      {file_of("", ""), "not valid JSON"},
      {file_of("[]", ""), "no JSON object"},
      {file_of("{", ""), "not valid JSON"},
      {file_of("{\"a\":1e999}", ""), "not valid JSON"},
      {file_of("{\"\xff\":1}", ""), "not valid JSON"},
      {file_of("{}", "x"), "the tensors take 0 bytes, the file has 1"},
      {one("[1]"), "no JSON object"},
      {one(R"({"shape":[2],"data_offsets":[0,8]})"), "no 'dtype'"},
      {one(R"({"dtype":"F32","data_offsets":[0,8]})"), "no 'shape'"},
      {one(R"({"dtype":"F32","shape":[2]})"), "no 'data_offsets'"},
      {one(R"({"dtype":"F64","shape":[1],"data_offsets":[0,8]})"), "'F64' is none of F32"},
      {one(R"({"dtype":7,"shape":[1],"data_offsets":[0,8]})"), "dtype is no text"},
      {one(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"), "shape is no list"},
      {one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "whole number"},
      {one(R"({"dtype":"F32","shape":[2.5],"data_offsets":[0,8]})"), "whole number"},
      {one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]})"),
       "whole number"},
      {one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"), "too large"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"), "no pair"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "before they begin"},
      {one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})"), "incomplete download"},
      {one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "takes 12 bytes"},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})"), "unknown key 'x'"},
      {one(R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})"), "nested"},
      {one(R"({"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]})"), "'dtype' twice"},
      {file_of("{\"t\":" + good + ",\"t\":" + good + "}", std::string(8, 0)), "'t' twice"},
      {file_of("{\"t\":" + good + ",\"u\":" + good + "}", std::string(8, 0)), "overlap"},
      {file_of(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", std::string(8, 0)),
       "hole"},
      {one(good, 12), "the tensors take 8 bytes, the file has 12"},
      {file_of(R"({"__metadata__":1})", ""), "no JSON object"},
      {file_of(R"({"__metadata__":{"a":1}})", ""), "metadata 'a' is no text"},
  };
  for (const auto& [file, part] : lies) {
    const std::string message = error_of(file);
    INFO("message: ", message, " expected: ", part);
    CHECK(contains(message, part));
    CHECK(contains(message, "x.safetensors"));
    CHECK_FALSE(contains(message, "\n"));
  }
  CHECK(contains(error_of(file_of(std::string(1000000, '['), "")), "nested"));
}

TEST_CASE("safetensors: every truncation and every flipped bit is read or refused, never more") {
  const std::string file = file_of(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})",
      std::string(11, 5));
  for (size_t n = 0; n < file.size(); ++n) CHECK(error_of(file.substr(0, n)) != "");
  for (size_t i = 0; i < file.size() * 8; ++i) {
    std::string bad = file;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    try {
      for (const TensorView& t : parse(bad).tensors) {
        const auto* begin = reinterpret_cast<const char*>(t.bytes.data());
        CHECK((begin >= bad.data() && begin + t.bytes.size() <= bad.data() + bad.size()));
      }
    } catch (const Error&) {
    }
  }
}

TEST_CASE("safetensors: what is written is read back, aligned") {
  const test::TempDir dir;
  const std::string path = dir.file("m.safetensors");
  const std::vector<float> a = {1, 2, 3, 4, 5, 6};
  const std::vector<uint16_t> b = {1, 2, 3};
  const uint8_t c = 9;
  const TensorToWrite tensors[] = {{"c", DType::kU8, {1}, &c},
                                   {"b \"quoted\"", DType::kBf16, {3}, b.data()},
                                   {"a", DType::kF32, {2, 3}, a.data()},
                                   {"empty", DType::kF32, {0}, nullptr}};
  write_safetensors(path, tensors, {{"step", "7"}});
  const SafetensorsFile file(path);
  CHECK(file.tensors().size() == 4);
  CHECK(file.metadata().at("step") == "7");
  const TensorView& view = file.get("a");
  CHECK(view.shape == std::vector<i64>{2, 3});
  CHECK(std::memcmp(view.bytes.data(), a.data(), 24) == 0);
  CHECK(reinterpret_cast<uintptr_t>(view.bytes.data()) % 64 == 0);
  CHECK(reinterpret_cast<uintptr_t>(file.get("b \"quoted\"").bytes.data()) % 2 == 0);
  CHECK(file.find("d") == nullptr);
  std::string message;
  try {
    file.get("emptyy");
  } catch (const Error& e) {
    message = e.what();
  }
  CHECK(contains(message, "no tensor 'emptyy'"));
  CHECK(contains(message, "did you mean 'empty'"));
}

TEST_CASE("safetensors: a full disk is an error and leaves nothing behind") {
  const std::vector<float> a(100000, 1.0f);
  const TensorToWrite tensors[] = {{"a", DType::kF32, {100000}, a.data()}};
  CHECK_THROWS_AS(write_safetensors("/dev/full", tensors, {}), Error);
  const test::TempDir dir;
  CHECK_THROWS_AS(write_safetensors(dir.file("no/such/folder.safetensors"), tensors, {}), Error);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("safetensors: a failed write keeps the old file") {
  const test::TempDir dir;
  const std::string path = dir.file("m.safetensors");
  write_file_atomically(path, "old");
  const TensorToWrite bad[] = {{"\xff", DType::kF32, {0}, nullptr}};
  CHECK_THROWS_AS(write_safetensors(path, bad, {}), Error);
  CHECK(read_text_file(path) == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()),
                      std::filesystem::directory_iterator()) == 1);
}

}  // namespace
}  // namespace lathe
