// Tokenizers out of llama.cpp's vocabulary files, against the ids that it gives.
#include <doctest/doctest.h>

#include "support/shared_data.h"
#include "support/tokenizer_cases.h"
#include "weights/gguf.h"
#include "weights/hf_tokenizer.h"

using namespace lathe;

namespace {

std::unique_ptr<Tokenizer> tokenizer_of(const std::string& path) {
  const GgufFile file(path);
  return make_tokenizer(gguf_token_list(file.metadata()), path);
}

}  // namespace

TEST_CASE("GGUF tokenizers: the 46 cases of GPT-2's and of Llama 2's vocabulary") {
  for (const char* name : {"gpt2/ggml-vocab-gpt-2.gguf", "llama2/ggml-vocab-llama-spm.gguf"}) {
    const std::string path = test::shared_path(std::string("data/tokenizers/") + name);
    if (path.empty()) return;
    CAPTURE(path);
    const auto cases = test::load_cases(path + ".inp", path + ".out");
    const auto tokenizer = tokenizer_of(path);
    test::check_cases(*tokenizer, cases);
    // Written out again they are the same lists.
    const GgufFile file(path);
    const TokenList before = gguf_token_list(file.metadata());
    const TokenList after = token_list_of(*tokenizer, 0, path);
    CHECK(after.tokens == before.tokens);
    CHECK(after.kinds == before.kinds);
    CHECK(after.merges == before.merges);
    CHECK(after.pre_tokenizer == before.pre_tokenizer);
    CHECK(after.scores == before.scores);
  }
}

TEST_CASE("GGUF tokenizers: Llama 2's out of GGUF is the one of its model file, on real text") {
  const std::string dir = test::shared_path("data/tokenizers/llama2");
  const std::string corpus = test::shared_path("data/corpora/wikitext-2-raw/valid.txt");
  if (dir.empty() || corpus.empty()) return;
  const std::string text = read_text_file(corpus).substr(0, 200'000);
  CHECK(tokenizer_of(dir + "/ggml-vocab-llama-spm.gguf")->encode(text) ==
        load_tokenizer(dir + "/tokenizer.model")->encode(text));
}

TEST_CASE(
    "GGUF tokenizers: Llama 2's tokenizer.json makes the scores that its model has in order") {
  const std::string dir = test::shared_path("data/tokenizers/llama2");
  const std::string corpus = test::shared_path("data/corpora/wikitext-2-raw/valid.txt");
  if (dir.empty() || corpus.empty()) return;
  const auto json = load_tokenizer(dir + "/tokenizer.json");
  const auto scored = make_tokenizer(token_list_of(*json, 0, "llama2"), "llama2");
  CHECK(scored->kind() == "sentencepiece");
  const std::string text = read_text_file(corpus).substr(0, 200'000);
  CHECK(scored->encode(text) == json->encode(text));
}
