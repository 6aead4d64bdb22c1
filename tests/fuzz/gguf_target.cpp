// GGUF files: every view must lie inside the file and have the size of its shape; and what a whole
// import makes of the metadata and the tokenizer in it.
#include "base/error.h"
#include "fuzz/fuzz.h"
#include "support/gguf_bytes.h"
#include "weights/gguf_config.h"
#include "weights/hf_tokenizer.h"

using namespace lathe;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    GgufContent content = parse_gguf(file, "fuzz");
    for (const TensorView& t : content.tensors) {
      FUZZ_CHECK(t.bytes.empty() || (t.bytes.data() >= file.data() &&
                                     t.bytes.data() + t.bytes.size() <= file.data() + size));
      FUZZ_CHECK(static_cast<i64>(t.bytes.size()) == stored_bytes(t.dtype, t.numel()));
    }
    ++fuzz::n_accepted;
    const WeightSource source("fuzz", std::move(content.tensors));
    parse_gguf_config(source, content.metadata);
    make_tokenizer(gguf_token_list(content.metadata), "fuzz");
  } catch (const Error&) {
  }
  return 0;
}

namespace {

std::string model(const char* architecture, const char* eps) {
  const std::string prefix = std::string(architecture) + ".";
  test::GgufBytes b(2, 14);
  b.key("general.architecture", 8).text(architecture);
  for (const char* key :
       {"context_length", "embedding_length", "block_count", "attention.head_count",
        "attention.head_count_kv", "feed_forward_length", "rope.dimension_count"}) {
    b.key(prefix + key, 4).number<uint32_t>(4);
  }
  b.key(prefix + eps, 6).number(1e-5f);
  b.key("tokenizer.ggml.model", 8).text("llama");
  b.key("tokenizer.ggml.tokens", 9).number<uint32_t>(8).number<uint64_t>(2).text("<unk>").text("a");
  b.key("tokenizer.ggml.scores", 9).number<uint32_t>(6).number<uint64_t>(2).number(0.f).number(1.f);
  b.key("tokenizer.ggml.token_type", 9).number<uint32_t>(5).number<uint64_t>(2);
  b.number<int32_t>(2).number<int32_t>(1);
  b.key("tokenizer.ggml.eos_token_id", 4).number<uint32_t>(1);
  b.tensor("token_embd.weight", {4, 2}, 0, 0);
  b.tensor("rope_freqs.weight", {2}, 0, 32);
  return b.data(64);
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  test::GgufBytes empty(0, 0);
  return {empty.data(0), model("llama", "attention.layer_norm_rms_epsilon"),
          model("starcoder2", "attention.layer_norm_epsilon")};
}
