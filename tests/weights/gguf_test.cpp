#include "weights/gguf.h"

#include <doctest/doctest.h>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/gguf_bytes.h"
#include "support/shared_data.h"
#include "support/temp_dir.h"
#include "weights/gguf_writer.h"

using namespace lathe;
using test::contains;
using test::GgufBytes;

namespace {

std::string error_of(const std::string& file) {
  return test::error_text([&] { parse_gguf(test::as_bytes(file), "m.gguf"); });
}

}  // namespace

TEST_CASE("gguf: values of every type and tensors of every shape are read") {
  GgufBytes b(2, 4);
  b.key("u8", 0).number<uint8_t>(200);
  b.key("i64", 11).number<int64_t>(-5);
  b.key("f", 6).number(1.5f);
  b.key("texts", 9).number<uint32_t>(8).number<uint64_t>(2).text("a").text("");
  b.tensor("m", {3, 2}, 0, 0);
  b.tensor("q", {32}, 8, 32);
  const std::string file = b.data(66);
  const GgufContent content = parse_gguf(test::as_bytes(file), "m.gguf");
  CHECK(content.metadata.integer("u8") == 200);
  CHECK(content.metadata.integer("i64") == -5);
  CHECK(content.metadata.number("f") == 1.5);
  CHECK(content.metadata.number("u8") == 200);
  REQUIRE(content.metadata.texts("texts"));
  CHECK(*content.metadata.texts("texts") == std::vector<std::string>{"a", ""});
  REQUIRE(content.tensors.size() == 2);
  CHECK(content.tensors[0].shape == std::vector<i64>{2, 3});  // ne[0] is the fastest
  CHECK(content.tensors[0].bytes.size() == 24);
  CHECK(content.tensors[1].dtype == DType::kQ80);
  CHECK(content.tensors[1].bytes.size() == 34);
  CHECK(contains(test::error_text([&] { content.metadata.integer("f"); }),
                 "'f' is a number, expected a whole number"));
  CHECK(contains(test::error_text([&] { content.metadata.integer("none"); }), "'none' is missing"));
}

TEST_CASE("gguf: whatever is cut, lying or damaged is one line that says where") {
  GgufBytes whole(1, 1);
  whole.key("general.name", 8).text("x");
  whole.tensor("m", {4}, 0, 0);
  const std::string file = whole.data(16);
  CHECK(error_of(file).empty());
  for (size_t n = 0; n < file.size(); ++n) {
    const std::string error = error_of(file.substr(0, n));
    CAPTURE(n);
    CHECK(contains(error, "[gguf] m.gguf: "));
    CHECK_FALSE(contains(error, "\n"));
  }
  CHECK(contains(error_of("PK\3\4"), "does not begin with GGUF"));
  CHECK(contains(error_of(GgufBytes(0, 0, 1).data(0)), "version 1, expected 2 or 3"));
  CHECK(contains(error_of(GgufBytes(0, 0, 0x03000000).data(0)), "a big-endian file?"));
  CHECK(contains(error_of(GgufBytes(uint64_t{1} << 60, 0).data(0)), "is the file whole?"));
  const auto with_tensor = [](std::vector<uint64_t> extents, uint32_t type, uint64_t offset,
                              size_t n_bytes) {
    GgufBytes b(1, 0);
    b.tensor("m", extents, type, offset);
    return error_of(b.data(n_bytes));
  };
  CHECK(contains(with_tensor({uint64_t{1} << 60}, 0, 0, 16), "too large to be true"));
  CHECK(contains(with_tensor({uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0, 16), "too large"));
  CHECK(contains(with_tensor({~uint64_t{0}}, 0, 0, 16), "which no count is"));
  CHECK(contains(with_tensor({5}, 0, 0, 16), "takes 20 bytes from 0 on, and the file holds 16"));
  CHECK(contains(with_tensor({4}, 0, ~uint64_t{0} - 3, 16), "incomplete download"));
  CHECK(contains(with_tensor({33}, 8, 0, 64), "whole blocks of 32 (q8_0)"));
  CHECK(contains(with_tensor({256}, 23, 0, 512), "ggml's type 23, expected one of f32"));
  CHECK(contains(with_tensor({1, 1, 1, 1, 1}, 0, 0, 16), "has 5 dimensions"));
  GgufBytes overlapping(2, 0);
  overlapping.tensor("a", {4}, 0, 0);
  overlapping.tensor("b", {4}, 0, 8);
  CHECK(contains(error_of(overlapping.data(32)), "tensors 'a' and 'b' overlap"));
  GgufBytes twice(2, 0);
  twice.tensor("a", {4}, 0, 0);
  twice.tensor("a", {4}, 0, 32);
  CHECK(contains(error_of(twice.data(64)), "tensor 'a' is there twice"));
  GgufBytes keys(0, 2);
  keys.key("k", 4).number<uint32_t>(1);
  keys.key("k", 4).number<uint32_t>(2);
  CHECK(contains(error_of(keys.data(0)), "the key 'k' is there twice"));
  GgufBytes list(0, 1);
  list.key("k", 9).number<uint32_t>(8).number<uint64_t>(uint64_t{1} << 60);
  CHECK(contains(error_of(list.data(0)), "'k' claims 1152921504606846976 elements"));
  GgufBytes nested(0, 1);
  nested.key("k", 9).number<uint32_t>(9).number<uint64_t>(0);
  CHECK(contains(error_of(nested.data(0)), "a list of the type 9"));
  GgufBytes aligned(0, 1);
  aligned.key("general.alignment", 4).number<uint32_t>(0);
  CHECK(contains(error_of(aligned.data(0)), "general.alignment is 0"));
}

TEST_CASE("gguf: what is written is what was said, and llama.cpp's own files are read") {
  const test::TempDir dir;
  GgufWriter writer(dir.file("m.gguf"),
                    {{"general.architecture", std::string("llama")},
                     {"n", i64{7}},
                     {"x", 0.5},
                     {"b", true},
                     {"scores", std::vector<double>{1, 2.5}},
                     {"kinds", std::vector<i64>{1, -3}},
                     {"tokens", std::vector<std::string>{"a", "bc"}}},
                    {{"one", DType::kF32, {2, 3}}, {"two", DType::kBf16, {5}}});
  const std::vector<std::byte> one(24, std::byte{1}), two(10, std::byte{2});
  writer.write(one);
  writer.write(two);
  writer.commit();
  const GgufFile file(dir.file("m.gguf"));
  CHECK(file.metadata().integer("n") == 7);
  CHECK(file.metadata().number("x") == 0.5);
  CHECK(file.metadata().flag("b", false));
  CHECK(*file.metadata().numbers("scores") == std::vector<double>{1, 2.5});
  CHECK(*file.metadata().integers("kinds") == std::vector<i64>{1, -3});
  CHECK(*file.metadata().texts("tokens") == std::vector<std::string>{"a", "bc"});
  CHECK(file.get("one").shape == std::vector<i64>{2, 3});
  CHECK(file.get("two").bytes[9] == std::byte{2});

  const std::string vocab = test::shared_path("data/tokenizers/gpt2/ggml-vocab-gpt-2.gguf");
  if (vocab.empty()) return;
  const GgufFile theirs(vocab);
  CHECK(theirs.metadata().text("tokenizer.ggml.model") == "gpt2");
  CHECK(theirs.metadata().texts("tokenizer.ggml.tokens")->size() == 50257);
}
