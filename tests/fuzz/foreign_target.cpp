// What else a door reads: a Hugging Face config and shard index, checkpoints of llm.c and llama2.c,
// llama2.c's tokenizer, a SentencePiece model's tokens. The first byte says which.
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "fuzz/fuzz.h"
#include "text/sentencepiece_model.h"
#include "text/token_list.h"
#include "weights/hf_config.h"
#include "weights/sharded_source.h"
#include "weights/stacked_files.h"

using namespace lathe;

namespace {

void check_stacked(const StackedContent& content, std::span<const std::byte> file) {
  for (const TensorView& t : content.tensors) {
    FUZZ_CHECK(t.bytes.data() >= file.data() &&
               t.bytes.data() + t.bytes.size() <= file.data() + file.size());
    FUZZ_CHECK(static_cast<i64>(t.bytes.size()) == stored_bytes(t.dtype, t.numel()));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text = fuzz::as_text(data + 1, size - 1);
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  try {
    switch (data[0]) {
      case 'c': {
        const Json json = Json::parse(text, nullptr, false);
        if (json.is_discarded()) return 0;
        const ForeignConfig config = parse_hf_config(json, "fuzz");
        to_hf_config(*config.family, config.spec);
        break;
      }
      case 'i':
        for (const auto& [tensor, file] : parse_shard_index(text, "fuzz").files) {
          FUZZ_CHECK(file.find('/') == file.npos && file != "..");
        }
        break;
      case 'g':
        check_stacked(parse_llm_c(bytes, "fuzz"), bytes);
        break;
      case 'l':
        check_stacked(parse_llama2_c(bytes, "fuzz"), bytes);
        break;
      case 't':
        make_tokenizer(parse_llama2_c_tokenizer(text, 3, "fuzz"), "fuzz");
        break;
      case 's':
        to_sentencepiece_model(parse_sentencepiece_tokens(text, "fuzz"));
        break;
      default:
        return 0;
    }
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

namespace {

std::string ints(std::string begin, std::vector<int32_t> numbers, size_t n_bytes) {
  for (const int32_t x : numbers) begin.append(reinterpret_cast<const char*>(&x), sizeof x);
  return begin + std::string(n_bytes, '\0');
}

std::string token(const char* text) {
  return ints(std::string(4, '\0'), {static_cast<int32_t>(std::strlen(text))}, 0) + text;
}

std::string sentencepiece() {
  TokenList list;
  list.model = TokenList::Model::kSentencePiece;
  list.tokens = {"<unk>", "a"};
  list.scores = {0, 1};
  list.kinds = {TokenList::kUnknown, TokenList::kNormal};
  return to_sentencepiece_model(list);
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  std::vector<int32_t> llm_c = {20240326, 3, 8, 5, 2, 2, 4, 8};
  llm_c.resize(256);
  return {
      R"(c{"model_type":"llama","vocab_size":9,"hidden_size":8,"num_hidden_layers":2,)"
      R"("num_attention_heads":2,"intermediate_size":8,"max_position_embeddings":4,)"
      R"("rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,)"
      R"("high_freq_factor":4,"original_max_position_embeddings":2}})",
      R"(c{"model_type":"gpt2","vocab_size":9,"n_embd":8,"n_layer":2,"n_head":2})",
      R"(c{"model_type":"gpt_neox","vocab_size":9,"hidden_size":8,"num_hidden_layers":2,)"
      R"("num_attention_heads":2,"intermediate_size":8,"max_position_embeddings":4,"rotary_pct":0.5})",
      R"(i{"weight_map":{"a":"x.safetensors","b":"y.safetensors"}})",
      ints("g", llm_c, 4 * (32 + 32 + 2 * (12 * 16 + 13 * 4) + 8)),
      ints("l", {4, 6, 2, 2, 1, 5, 3}, 4 * (20 + 2 * 128 + 4 + 6)),
      ints("t", {7}, 0) + token("<unk>") + token("<s>") + token("</s>"),
      "s" + sentencepiece(),
  };
}
