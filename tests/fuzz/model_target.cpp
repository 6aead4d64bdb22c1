// A model directory: config.json on one line, then the bytes of model.safetensors. What loads runs,
// whatever its numbers are.
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "fuzz/fuzz.h"
#include "infer/forward.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"

using namespace lathe;
using namespace lathe::infer;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ThreadPool pool(1);
  static State state(pool);
  const std::string_view text = fuzz::as_text(data, size);
  const size_t cut = std::min(text.find('\n'), size);
  const std::string_view file = text.substr(std::min(cut + 1, size));
  try {
    const ModelSpec spec = parse_model_spec(parse_json(text.substr(0, cut), "config"), "config");
    SafetensorsContent content =
        parse_safetensors(std::as_bytes(std::span(file.data(), file.size())), "fuzz");
    const auto model = make_model(make_plan(spec), WeightSource("fuzz", content.tensors));
    FUZZ_CHECK(model->weight_bytes <= static_cast<i64>(file.size()));
    KvCache cache(*model);
    const int32_t token = static_cast<int32_t>(spec.vocab_size - 1);
    const auto logits = forward(*model, state, cache, std::span(&token, 1), LogitRows::kLast);
    FUZZ_CHECK(static_cast<i64>(logits.size()) == spec.vocab_size);
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  std::vector<std::string> list;
  const auto add = [&](const ModelSpec& spec, DType dtype) {
    const test::TempDir folder;
    test::TinyWeights weights = test::random_weights(make_plan(spec), 1);
    test::write_model(spec, weights, folder.path(), dtype);
    list.push_back(to_json(spec).dump() + "\n" + read_text_file(folder.file("model.safetensors")));
  };
  ModelSpec spec = test::tiny_spec();
  spec.vocab_size = 5;
  spec.context_length = 3;
  spec.d_model = spec.d_ff = 8;
  spec.n_layers = 2;
  spec.n_heads = spec.n_kv_heads = 2;
  spec.d_head = 4;
  spec.ffn_linear = {LinearKind::kLowRank, 2, 0};
  add(spec, DType::kF32);
  add(spec, DType::kBf16);
  spec.position = Position::kLearned;
  spec.topology.kind = TopologyKind::kPgpt;
  spec.ffn_linear = {LinearKind::kBlockShuffle, 0, 2};
  add(spec, DType::kF32);
  spec.topology.kind = TopologyKind::kCgpt;
  spec.tie_embeddings = false;
  add(spec, DType::kBf16);
  return list;
}
