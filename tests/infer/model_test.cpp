#include "infer/model.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "infer/forward.h"
#include "infer/kv_cache.h"
#include "infer/loaded.h"
#include "kernels/dispatch.h"
#include "model/counts.h"
#include "support/error_text.h"

namespace lathe::infer {
namespace {

// A tiny model directory that a test damages before it is loaded.
class Directory {
 public:
  Directory() : weights_(test::random_weights(make_plan(spec_), 1)) {
    test::write_model(spec_, weights_, dir_.path());
  }
  std::string load_error() {
    return test::error_text([&] { test::open_model(dir_.path()); });
  }
  // Rewrites the weights with this list changed by `change`.
  std::string error_after(const std::function<void(std::vector<TensorToWrite>&)>& change) {
    std::vector<TensorToWrite> tensors;
    for (const TensorInfo& info : tensor_list(make_plan(spec_))) {
      tensors.push_back({info.name, DType::kF32, info.shape, weights_.at(info.name).data()});
    }
    change(tensors);
    write_safetensors(file("model.safetensors"), tensors, {});
    return load_error();
  }
  std::string error_of_config(const std::string& key, const Json& value) {
    Json config = to_json(spec_);
    config[key] = value;
    write_file_atomically(file("config.json"), config.dump());
    return load_error();
  }
  std::string file(const std::string& name) const { return dir_.file(name); }

 private:
  test::TempDir dir_;
  ModelSpec spec_ = test::tiny_spec();
  test::TinyWeights weights_;
};

TEST_CASE("model: a directory that lies is one clear error") {
  using test::contains;
  CHECK(contains(test::error_text([] { test::open_model("/no/such/model"); }), "is no directory"));
  CHECK(Directory().load_error() == "");
  {
    Directory d;
    std::filesystem::remove(d.file("config.json"));
    CHECK(contains(d.load_error(), "config.json' is missing"));
  }
  {
    Directory d;
    std::filesystem::remove(d.file("model.safetensors"));
    CHECK(contains(d.load_error(), "model.safetensors' is missing"));
  }
  {
    Directory d;
    write_file_atomically(d.file("config.json"), "{");
    CHECK(contains(d.load_error(), "config.json"));
  }
  {
    Directory d;
    write_file_atomically(d.file("model.safetensors"), "garbage!garbage");
    CHECK(contains(d.load_error(), "model.safetensors"));
  }
  const auto missing = Directory().error_after([](auto& t) { t.erase(t.begin() + 3); });
  CHECK(contains(missing, "is missing"));
  CHECK(contains(missing, "blocks.0.attention.qkv.weight"));
  const auto extra = Directory().error_after([](auto& t) {
    t.push_back(t.back());
    t.back().name = "blocks.0.ffn.up.wait";
  });
  CHECK(contains(extra, "'blocks.0.ffn.up.wait'"));
  CHECK(contains(extra, "did you mean 'blocks.0.ffn.up.weight'"));
  const auto shape =
      Directory().error_after([](auto& t) { std::swap(t[3].shape[0], t[3].shape[1]); });
  CHECK(contains(shape, "f32 (48, 144), the config asks for f32 (144, 48)"));
  const auto type = Directory().error_after([](auto& t) { t[3].dtype = DType::kI32; });
  CHECK(contains(type, "i32 (144, 48), expected one of f32, bf16"));
  CHECK(contains(Directory().error_of_config("d_ff", 100), "the config asks for"));
  CHECK(contains(Directory().error_of_config("n_layers", 5), "is missing"));
  CHECK(contains(Directory().error_of_config("n_layers", 3), "is not in the config's model"));
  CHECK(contains(Directory().error_of_config("n_layrs", 3), "n_layers"));
  CHECK(contains(Directory().error_of_config("tie_embeddings", false), "head.weight"));
}

TEST_CASE("model: weights keep their stored type, and a tied head is the embedding") {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const test::Loaded m = test::load_tiny(test::tiny_spec(), dtype);
    const auto& embed = std::get<Embed>(m.model->stages.front());
    const auto& head = std::get<Head>(m.model->stages.back());
    CHECK(embed.tokens.dtype == dtype);
    CHECK(embed.tokens.data == head.weight.data);
  }
}

namespace {

// Row r of the block's matrix, as the model has it.
std::vector<float> row_of(const PanelView& w, i64 block, i64 r) {
  PanelView one = w;
  one.n_blocks = 1;
  one.data = static_cast<const char*>(w.data) + block * panel_bytes(kernels(), one);
  std::vector<float> row(static_cast<size_t>(w.cols));
  read_panel_row(kernels(), one, r, row.data());
  return row;
}

}  // namespace

TEST_CASE("model: matrices keep their type, vectors are f32, and all have the source's values") {
  ModelSpec spec = test::tiny_spec();
  spec.ffn_linear = {LinearKind::kBlockShuffle, 0, 3};
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const test::Loaded m = test::load_tiny(spec, dtype);
    const Block& b = std::get<Blocks>(m.model->stages[1]).blocks[2];
    const auto rounded = [&](float x) { return dtype == DType::kF32 ? x : float(Bf16(x)); };
    const PanelView& v = b.up.weights[0];
    CHECK(v.dtype == dtype);
    REQUIRE(v.n_blocks == 3);
    const std::vector<float>& source = m.weights.at("blocks.2.ffn.up.v");
    for (i64 block = 0; block < 3; ++block) {
      for (i64 r = 0; r < v.rows; ++r) {
        const std::vector<float> row = row_of(v, block, r);
        for (i64 c = 0; c < v.cols; ++c) {
          const auto at = static_cast<size_t>((block * v.rows + r) * v.cols + c);
          CHECK(row[static_cast<size_t>(c)] == rounded(source[at]));
        }
      }
    }
    CHECK(*b.up.bias == m.weights.at("blocks.2.ffn.up.bias")[0]);
  }
}

TEST_CASE("model: a source that aligns nothing runs too") {
  const ModelSpec spec = test::tiny_spec();
  const test::TempDir dir;
  test::TinyWeights weights = test::random_weights(make_plan(spec), 7);
  test::write_model(spec, weights, dir.path());
  const ModelDirectory directory = open_model_directory(dir.path());
  std::vector<std::vector<std::byte>> shifted;
  std::vector<TensorView> tensors;
  for (TensorView view : directory.weights->tensors()) {
    auto& bytes = shifted.emplace_back(view.bytes.size() + 1);
    std::copy(view.bytes.begin(), view.bytes.end(), bytes.begin() + 1);
    view.bytes = std::span(bytes).subspan(1);
    tensors.push_back(view);
  }
  const auto moved = make_model(directory.plan, WeightSource("moved", tensors));
  const Block& b = std::get<Blocks>(moved->stages[1]).blocks[2];
  CHECK(row_of(b.up.weights[0], 0, 0)[0] == weights.at("blocks.2.ffn.up.weight")[0]);
}

TEST_CASE("model: what is loaded has as many bytes as the plan has parameters") {
  for (const test::NamedSpec& s : test::tiny_specs()) {
    CAPTURE(s.name);
    const test::Loaded m = test::load_tiny(s.spec);
    CHECK(m.model->weight_bytes == 4 * count_params(m.model->plan).total);
    CHECK(m.model->stages.size() == m.model->plan.stages.size());
    // count_bytes counts 2 bytes a value.
    CHECK(KvCache(*m.model, 0, DType::kBf16).bytes_per_token() ==
          count_bytes(m.model->plan).kv_per_token);
  }
}

TEST_CASE("model: the shares of a fork are softmax([gate, 0])") {
  ModelSpec spec = test::tiny_spec();
  spec.topology = {TopologyKind::kPgpt, 4, 2, 3};
  const test::Loaded m = test::load_tiny(spec);
  const auto& gate = m.weights.at(kGate);
  for (const LoadedStage& stage : m.model->stages) {
    const auto* fork = std::get_if<Fork>(&stage);
    if (!fork) continue;
    REQUIRE(fork->shares.size() == 4);
    double total = 0;
    for (const float s : fork->shares) total += static_cast<double>(s);
    CHECK(total == doctest::Approx(1));
    for (size_t i = 0; i < 3; ++i) {
      CHECK(fork->shares[i] / fork->shares[3] == doctest::Approx(std::exp(gate[i])));
      CHECK(fork->shares[i] <= fork->shares[fork->best]);
    }
  }
}

}  // namespace
}  // namespace lathe::infer
