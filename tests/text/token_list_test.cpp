// Vocabularies as GGUF and llama2.c have them.
#include "text/token_list.h"

#include <doctest/doctest.h>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/shared_data.h"
#include "text/bpe_definition.h"

using namespace lathe;
using test::contains;

namespace {

TokenList tiny_pieces() {
  TokenList list;
  list.model = TokenList::Model::kSentencePiece;
  const auto add = [&](const std::string& text, double score, i64 kind) {
    list.tokens.push_back(text);
    list.scores.push_back(score);
    list.kinds.push_back(kind);
  };
  add("<unk>", 0, TokenList::kUnknown);
  add("<s>", 0, TokenList::kControl);
  add("</s>", 0, TokenList::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    add(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0, TokenList::kByte);
  }
  add("\xE2\x96\x81", -3, TokenList::kNormal);
  add("a", -4, TokenList::kNormal);
  add("b", -5, TokenList::kNormal);
  add("ab", -1, TokenList::kNormal);
  add("\xE2\x96\x81"
      "ab",
      -2, TokenList::kNormal);
  return list;
}

}  // namespace

TEST_CASE("a list of scored pieces is the SentencePiece tokenizer that its library makes of it") {
  const TokenList list = tiny_pieces();
  const auto tokenizer = make_tokenizer(list, "tiny");
  CHECK(tokenizer->kind() == "sentencepiece");
  CHECK(tokenizer->encode("ab a!") == std::vector<int32_t>{263, 259, 260, 3 + '!'});
  CHECK(tokenizer->begin_of_text() == 1);
  CHECK(tokenizer->end_of_text() == 2);
  const TokenList back = token_list_of(*tokenizer, 270, "tiny");
  CHECK(back.scores[262] == list.scores[262]);
  CHECK(back.add_space_prefix);
  REQUIRE(back.tokens.size() == 270);
  CHECK(back.tokens[269] == "[PAD269]");
  CHECK(back.kinds[269] == TokenList::kUnused);
  TokenList plain = list;
  plain.add_space_prefix = false;
  CHECK(make_tokenizer(plain, "tiny")->encode("ab") == std::vector<int32_t>{262});
}

TEST_CASE("lists that do not fit together, and unknown ways to cut text, are refused by name") {
  TokenList list = tiny_pieces();
  list.scores.pop_back();
  CHECK(contains(test::error_text([&] { make_tokenizer(list, "m.gguf"); }), "m.gguf: 264 tokens"));
  TokenList bytes;
  bytes.pre_tokenizer = "falcon";
  CHECK(contains(test::error_text([&] { make_tokenizer(bytes, "m.gguf"); }),
                 "'falcon', which is not among gpt-2, smollm, llama-bpe, qwen2, olmo"));
  bytes.pre_tokenizer = "gpt-2";
  bytes.tokens = {"a", "b"};
  bytes.kinds = {1, 1};
  bytes.merges = {"a b"};
  CHECK(
      contains(test::error_text([&] { make_tokenizer(bytes, "m.gguf"); }), "needs the token 'ab'"));
  bytes.tokens = {"a", "a"};
  bytes.merges = {};
  CHECK(
      contains(test::error_text([&] { make_tokenizer(bytes, "m.gguf"); }), "has the ids 0 and 1"));
}

TEST_CASE("every way to cut text that GGUF names comes back under its name") {
  const struct {
    const char *name, *written;
  } names[] = {{"gpt-2", "gpt-2"}, {"smollm", "smollm"},    {"llama-bpe", "llama-bpe"},
               {"qwen2", "qwen2"}, {"starcoder", "smollm"}, {"llama3", "llama-bpe"}};
  for (const auto& [name, written] : names) {
    CAPTURE(name);
    TokenList list;
    list.pre_tokenizer = name;
    for (const std::string& letter : byte_characters()) list.tokens.push_back(letter);
    list.tokens.push_back("ab");
    list.kinds.assign(list.tokens.size(), TokenList::kNormal);
    list.tokens.push_back("<|im_end|>");
    list.kinds.push_back(TokenList::kControl);
    list.tokens.push_back("<tool>");
    list.kinds.push_back(TokenList::kUserDefined);
    list.merges = {"a b"};
    const auto tokenizer = make_tokenizer(list, "m.gguf");
    CHECK(tokenizer->special_token("<|im_end|>") == 257);
    CHECK(tokenizer->encode("ab<tool>") == std::vector<int32_t>{256, 258});
    std::vector<int32_t> ids;
    tokenizer->append_ids_with_special("ab<|im_end|>ab", ids);
    CHECK(ids == std::vector<int32_t>{256, 257, 256});
    const TokenList back = token_list_of(*tokenizer, 0, "m.gguf");
    CHECK(back.pre_tokenizer == written);
    CHECK(back.tokens == list.tokens);
    CHECK(back.kinds == list.kinds);
    CHECK(back.merges == list.merges);
  }
}

TEST_CASE("llama2.c's tokenizer.bin: real tokens, and refusals with the place") {
  const std::string path = test::shared_path("data/checkpoints/tok512.bin");
  if (path.empty()) return;
  const std::string bytes = read_text_file(path);
  const auto tokenizer = make_tokenizer(parse_llama2_c_tokenizer(bytes, 512, path), path);
  CHECK(tokenizer->vocab_size() == 512);
  const std::string story = "Once upon a time, there was a girl — \xF0\x9F\x90\xA2.";
  CHECK(tokenizer->decode(tokenizer->encode(story)) == story);
  // As llama2.c's run.c encodes it.
  CHECK(tokenizer->encode("Once upon a time") == std::vector<int32_t>{403, 407, 261, 378});
  const auto error_of = [&](const std::string& file, i64 n) {
    return test::error_text([&] { parse_llama2_c_tokenizer(file, n, "t.bin"); });
  };
  CHECK(contains(error_of(bytes.substr(0, 100), 512), "t.bin: at byte"));
  CHECK(contains(error_of(bytes, 511), "bytes are left behind 511 tokens"));
  CHECK(contains(error_of(bytes, 513), "is the file whole?"));
  std::string lying = bytes;
  lying[8 + 3] = '\xff';  // the first token's length
  CHECK(contains(error_of(lying, 512), "token 0 has the length -"));
}
