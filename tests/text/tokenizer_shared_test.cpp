// The tokenizers against real vocabularies and the ids that other programs give for them.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/shared_data.h"
#include "support/temp_dir.h"
#include "support/tokenizer_cases.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

using Ids = std::vector<int32_t>;
using test::check_cases;
using test::load_cases;
using test::shared_path;

TEST_CASE("GPT-2: the 46 cases, from its two files and from the one saved for a model") {
  const std::string dir = shared_path("data/tokenizers/gpt2");
  if (dir.empty()) return;
  const auto cases =
      load_cases(dir + "/ggml-vocab-gpt-2.gguf.inp", dir + "/ggml-vocab-gpt-2.gguf.out");
  const auto tokenizer = load_tokenizer(dir);
  CHECK(tokenizer->vocab_size() == 50257);
  CHECK(tokenizer->end_of_text() == 50256);
  check_cases(*tokenizer, cases);
  const test::TempDir model;
  tokenizer->save(model.path());
  const auto saved = load_tokenizer(model.path());
  CHECK(saved->vocab_size() == 50257);
  CHECK(saved->end_of_text() == 50256);
  check_cases(*saved, cases);
}

TEST_CASE("Llama 2: the 46 cases, from tokenizer.model and from tokenizer.json") {
  const std::string dir = shared_path("data/tokenizers/llama2");
  if (dir.empty()) return;
  const auto cases =
      load_cases(dir + "/ggml-vocab-llama-spm.gguf.inp", dir + "/ggml-vocab-llama-spm.gguf.out");
  for (const char* file : {"/tokenizer.model", "/tokenizer.json"}) {
    CAPTURE(file);
    const auto tokenizer = load_tokenizer(dir + file);
    CHECK(tokenizer->vocab_size() == 32000);
    CHECK(tokenizer->begin_of_text() == 1);
    CHECK(tokenizer->end_of_text() == 2);
    check_cases(*tokenizer, cases);
    const test::TempDir model;
    CHECK("/" + tokenizer->save(model.path()) == file);
    check_cases(*load_tokenizer(model.path()), cases);
  }
}

TEST_CASE("Llama 2 with Metaspace in place of a normalizer: the ids of the tokenizers library") {
  const std::string path = shared_path("data/tokenizers/llama2/tokenizer.json");
  if (path.empty()) return;
  auto json = nlohmann::json::parse(read_text_file(path));
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "Metaspace"},
                           {"replacement", "\xE2\x96\x81"},
                           {"prepend_scheme", "first"},
                           {"split", false}};
  const auto tokenizer = parse_tokenizer_json(json.dump(), path);
  // tokenizers 0.23.
  CHECK(tokenizer->encode("a b") == Ids{263, 289});
  CHECK(tokenizer->encode(" a") == Ids{263});
  CHECK(tokenizer->encode("  a") == Ids{29871, 263});
  CHECK(tokenizer->encode("\na") == Ids{29871, 13, 29874});
  CHECK(tokenizer->encode("Hello  world ") == Ids{15043, 29871, 3186, 29871});
  json["pre_tokenizer"]["split"] = true;
  CHECK(test::contains(test::error_text([&] { parse_tokenizer_json(json.dump(), "t.json"); }),
                       "Metaspace with split"));
}

TEST_CASE("Llama 2: tokenizer.model and tokenizer.json agree, token by token") {
  const std::string dir = shared_path("data/tokenizers/llama2");
  const std::string corpus = shared_path("data/corpora/wikitext-2-raw/valid.txt");
  if (dir.empty() || corpus.empty()) return;
  const auto model = load_tokenizer(dir + "/tokenizer.model");
  const auto json = load_tokenizer(dir + "/tokenizer.json");
  const std::string text = read_text_file(corpus).substr(0, 300'000);
  const Ids ids = model->encode(text);
  CHECK(json->encode(text) == ids);
  CHECK(model->decode(ids) == text);
  CHECK(json->decode(ids) == text);
  for (int32_t id = 1; id < 32000; ++id) {
    REQUIRE(model->token_bytes(id) == json->token_bytes(id));
  }
  std::string streamed;
  for (const int32_t id : ids) streamed += model->token_bytes(id);
  CHECK(streamed == " " + text);
}

TEST_CASE("Llama 2: spaces, marks and line ends at every place, whole and word by word alike") {
  const std::string dir = shared_path("data/tokenizers/llama2");
  if (dir.empty()) return;
  const auto model = load_tokenizer(dir + "/tokenizer.model");
  const auto json = load_tokenizer(dir + "/tokenizer.json");
  const std::string parts[] = {" ", "a", "▁", "\n", "the"};
  for (int i = 0; i < 5 * 5 * 5 * 5 * 5; ++i) {
    std::string text;
    for (int j = 0, rest = i; j < 5; ++j, rest /= 5) text += parts[rest % 5];
    CAPTURE(text);
    REQUIRE(model->encode(text) == json->encode(text));
  }
}

TEST_CASE("GPT-2: all of wikitext-2's test text survives encode and decode") {
  const std::string dir = shared_path("data/tokenizers/gpt2");
  const std::string corpus = shared_path("data/corpora/wikitext-2-raw/test.txt");
  if (dir.empty() || corpus.empty()) return;
  const auto tokenizer = load_tokenizer(dir);
  const std::string text = read_text_file(corpus);
  CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
}

}  // namespace
}  // namespace lathe
