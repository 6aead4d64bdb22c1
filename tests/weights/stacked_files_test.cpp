// llm.c and llama2.c checkpoints, made byte by byte.
#include "weights/stacked_files.h"

#include <doctest/doctest.h>

#include <cstring>

#include "support/error_text.h"
#include "support/gguf_bytes.h"

using namespace lathe;
using test::contains;

namespace {

void append(std::string& out, int32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
// n numbers first, first + 1, …
void append_numbers(std::string& out, i64 n, float first = 0) {
  for (i64 i = 0; i < n; ++i) {
    const float x = first + static_cast<float>(i);
    out.append(reinterpret_cast<const char*>(&x), sizeof x);
  }
}

std::string llm_c(std::vector<int32_t> header, i64 n) {
  header.resize(256);
  std::string file;
  for (const int32_t x : header) append(file, x);
  append_numbers(file, n);
  return file;
}

std::string llama2_c(const std::vector<int32_t>& header, i64 n) {
  std::string file;
  for (const int32_t x : header) append(file, x);
  append_numbers(file, n);
  return file;
}

float number(const TensorView& t, size_t i) {
  float x;
  std::memcpy(&x, t.bytes.data() + i * sizeof x, sizeof x);
  return x;
}

}  // namespace

TEST_CASE("llm.c: stacks are cut by layer, and the padding of the vocabulary is left out") {
  // 8 positions, 5 tokens padded to 8, 2 layers, 2 heads, 4 channels.
  const std::vector<int32_t> header = {20240326, 3, 8, 5, 2, 2, 4, 8};
  const i64 a_layer = 12 * 16 + 13 * 4, n = 8 * 4 + 8 * 4 + 2 * a_layer + 2 * 4;
  const std::string file = llm_c(header, n);
  const StackedContent content = parse_llm_c(test::as_bytes(file), "m.bin");
  CHECK(content.config.spec.vocab_size == 5);
  CHECK(content.config.spec.d_ff == 16);
  CHECK(content.tensors[0].shape == std::vector<i64>{5, 4});
  CHECK(number(content.tensors[1], 0) == 32);  // behind all 8 padded rows
  CHECK(content.tensors[2].name == "blk.0.attn_norm.weight");
  CHECK(content.tensors[3].name == "blk.1.attn_norm.weight");
  CHECK(number(content.tensors[3], 0) == 68);
  CHECK(content.tensors.back().name == "output_norm.bias");
  CHECK(number(content.tensors.back(), 3) == static_cast<float>(n - 1));

  const auto error_of = [](const std::string& bytes) {
    return test::error_text([&] { parse_llm_c(test::as_bytes(bytes), "m.bin"); });
  };
  CHECK(contains(error_of(file.substr(0, 700)), "m.bin: at byte 700"));
  CHECK(contains(error_of(llm_c(header, n - 1)), "output_norm.bias"));
  CHECK(contains(error_of(llm_c(header, n + 1)), "4 bytes are left behind"));
  CHECK(contains(error_of(llm_c({20240326, 1, 8, 5, 2, 2, 4, 8}, n)), "version 1"));
  CHECK(contains(error_of(llm_c({20240326, 3, -8, 5, 2, 2, 4, 8}, n)), "-8 positions"));
  CHECK(contains(error_of(llm_c({20240326, 3, 8, 9, 2, 2, 4, 8}, n)), "9 of 8 padded tokens"));
  CHECK(contains(error_of(llm_c({20240326, 3, 8, 5, 2, 3, 4, 8}, n)), "4 channels in 3 heads"));
  CHECK(contains(error_of(llm_c({20240326, 3, 1 << 24, 1 << 24, 4096, 1, 1 << 20, 1 << 24}, n)),
                 "m.bin"));
}

TEST_CASE("llama2.c: both formats hold the same tensors in their own order") {
  // Width 4, feed-forward 6, 2 layers, 2 heads, 1 key head, 5 tokens, 3 positions.
  const i64 a_layer = 4 + 16 + 8 + 8 + 16 + 4 + 24 + 24 + 24;
  const std::vector<int32_t> plain = {4, 6, 2, 2, 1, 5, 3};
  const i64 n = 20 + 2 * a_layer + 4 + 3 * 2;
  const StackedContent old = parse_llama2_c(test::as_bytes(llama2_c(plain, n)), "m.bin");
  CHECK(old.config.spec.tie_embeddings);
  CHECK(old.config.spec.n_kv_heads == 1);
  CHECK(old.tensors[0].name == "token_embd.weight");
  CHECK(old.tensors.back().name == "output_norm.weight");

  std::string newer;
  for (const int32_t x : {kLlama2CMagic, 1, 4, 6, 2, 2, 1, 5, 3}) append(newer, x);
  newer.push_back('\0');  // the head is apart
  newer.resize(256);
  append_numbers(newer, 20 + 2 * a_layer + 4 + 20);
  const StackedContent untied = parse_llama2_c(test::as_bytes(newer), "m.bin");
  CHECK_FALSE(untied.config.spec.tie_embeddings);
  CHECK(untied.tensors[0].name == "blk.0.attn_norm.weight");
  CHECK(untied.tensors.back().name == "output.weight");
  CHECK(untied.tensors.size() == old.tensors.size() + 1);

  const auto error_of = [](const std::string& bytes) {
    return test::error_text([&] { parse_llama2_c(test::as_bytes(bytes), "m.bin"); });
  };
  CHECK(contains(error_of(llama2_c(plain, n - 1)), "the rotary tables"));
  CHECK(contains(error_of(llama2_c(plain, n + 7)), "28 bytes are left"));
  CHECK(contains(error_of(llama2_c({4, 6, 2, 3, 1, 5, 3}, n)), "4 numbers a token in 3 heads"));
  CHECK(contains(error_of(llama2_c({4, -6, 2, 2, 1, 5, 3}, n)), "-6"));
  std::string quantised;
  for (const int32_t x : {kLlama2CMagic, 2}) append(quantised, x);
  CHECK(contains(error_of(quantised), "version 2, expected 1"));
}
