// Models in and out by way of files: what comes back is what went out, for every model that other
// formats can express; best path and merge against the models that they stand for.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"
#include "weights/export_model.h"
#include "weights/family.h"
#include "weights/import_model.h"
#include "weights/model_directory.h"
#include "weights/sharded_source.h"

using namespace lathe;
using test::contains;

namespace {

// The families' own sorts beside ours: what a spec of each looks like.
std::vector<test::NamedSpec> family_specs() {
  const auto llama = [](const char* name, auto&& change) {
    ModelSpec spec = test::tiny_spec();
    spec.norm = NormKind::kRmsNorm;
    spec.norm_bias = false;
    spec.activation = Activation::kSwiglu;
    spec.linear_bias = false;
    spec.n_kv_heads = 2;
    change(spec);
    return test::NamedSpec{name, spec};
  };
  std::vector<test::NamedSpec> list = {
      llama("llama", [](ModelSpec&) {}),
      llama("llama untied, scaled",
            [](ModelSpec& s) {
              s.tie_embeddings = false;
              s.begin_token = 256;
              s.rope_scaling = {.kind = RopeScaling::kLlama3, .factor = 8};
              s.rope_base = 500000;
            }),
      llama("llama slowed",
            [](ModelSpec& s) { s.rope_scaling = {.kind = RopeScaling::kLinear, .factor = 2}; }),
      llama("llama with biases", [](ModelSpec& s) { s.linear_bias = true; }),
      llama("qwen2",
            [](ModelSpec& s) {
              s.linear_bias = true;
              s.biased_linears = {"attention.qkv"};
            }),
      llama("qwen3",
            [](ModelSpec& s) {
              s.qk_norm = true;
              s.d_head = 16;
            }),
  };
  ModelSpec neox = test::tiny_spec();
  neox.parallel_residual = true;
  neox.rope_dims = 4;
  neox.activation = Activation::kGelu;
  neox.tie_embeddings = false;
  list.push_back({"gpt_neox", neox});
  ModelSpec gpt2 = test::tiny_spec();
  gpt2.position = Position::kLearned;
  list.push_back({"gpt2", gpt2});
  ModelSpec coder = test::tiny_spec();
  coder.n_kv_heads = 3;
  list.push_back({"starcoder2", coder});
  for (auto& [name, spec] : list) spec.vocab_size = 257;
  return list;
}

ModelValues random_model(const ModelSpec& spec) {
  const Plan plan = make_plan(spec);
  auto weights = std::make_shared<const test::TinyWeights>(test::random_weights(plan, 9));
  return {plan, [weights](const TensorInfo& info) { return weights->at(info.name); }, DType::kF32};
}

ExportInput as_input(const ModelValues& values, const Tokenizer& tokenizer) {
  return {.values = values,
          .name = "tiny",
          .tokenizer = tokenizer,
          .chat_template = "{{ messages }}",
          .on_tensor = [](size_t, size_t) {}};
}

void check_same(const ModelValues& before, const ModelValues& after) {
  const std::vector<TensorInfo> list = tensor_list(after.plan);
  REQUIRE(list.size() >= tensor_list(before.plan).size());  // zeros may have come as biases
  std::map<std::string, std::vector<float>> old;
  for (const TensorInfo& info : tensor_list(before.plan)) old[info.name] = before.read(info);
  for (const TensorInfo& info : list) {
    CAPTURE(info.name);
    const auto at = old.find(info.name);
    const std::vector<float> values = after.read(info);
    CHECK(values == (at == old.end() ? std::vector<float>(values.size(), 0.0f) : at->second));
  }
}

}  // namespace

TEST_CASE("a model of every family comes back from Hugging Face's and GGUF files bit for bit") {
  const auto tokenizer = make_byte_tokenizer();
  for (const auto& [name, spec] : family_specs()) {
    CAPTURE(name);
    const test::TempDir dir;
    const ModelValues model = random_model(spec);
    std::filesystem::create_directory(dir.file("hf"));
    const Exported hf = export_hf(as_input(model, *tokenizer), dir.file("hf"));
    CHECK(contains(hf.what, name.substr(0, name.find(' '))));
    const ImportedModel from_hf = open_foreign_model(dir.file("hf"), "");
    check_same(model, from_hf.values);
    CHECK(from_hf.chat_template == "{{ messages }}");
    CHECK(from_hf.tokenizer->encode("\xff!") == std::vector<int32_t>{255, '!'});

    const Exported gguf = export_gguf(as_input(model, *tokenizer), dir.file("m.gguf"));
    const ImportedModel from_gguf = open_foreign_model(dir.file("m.gguf"), "");
    check_same(model, from_gguf.values);
    CHECK(from_gguf.chat_template == "{{ messages }}");
    CHECK(from_gguf.tokenizer->encode("\xff!") == std::vector<int32_t>{255, '!'});
    for (const ImportedModel* back : {&from_hf, &from_gguf}) {
      const ModelSpec& after = back->values.plan.spec;
      CHECK(after.end_tokens == std::vector<i64>{256});
      CHECK(after.begin_token == spec.begin_token);
      CHECK(after.rope_scaling == spec.rope_scaling);
      CHECK(after.norm_eps == doctest::Approx(spec.norm_eps));
      CHECK(after.context_length == spec.context_length);
    }
  }
}

TEST_CASE("what no other program can express is refused with what is in the way") {
  const auto tokenizer = make_byte_tokenizer();
  const auto error_of = [&](auto&& change) {
    ModelSpec spec = test::tiny_spec();
    spec.vocab_size = 257;
    change(spec);
    const test::TempDir dir;
    const std::string error = test::error_text(
        [&] { export_gguf(as_input(random_model(spec), *tokenizer), dir.file("m.gguf")); });
    CHECK_FALSE(std::filesystem::exists(dir.file("m.gguf")));
    return error;
  };
  CHECK(contains(error_of([](ModelSpec& s) { s.topology.kind = TopologyKind::kPgpt; }),
                 "topology is pgpt; --path best"));
  CHECK(contains(error_of([](ModelSpec& s) {
                   s.ffn_linear = {LinearKind::kLowRank, 8, 0};
                 }),
                 "structured; --merge"));
  CHECK(contains(error_of([](ModelSpec& s) { s.position = Position::kNone; }),
                 "has position learned, and this model none"));
  CHECK(
      contains(error_of([](ModelSpec& s) { s.activation = Activation::kSwiglu; }),
               "starcoder2, which comes closest, has activation gelu_tanh, and this model swiglu"));
  CHECK(contains(
      error_of([](ModelSpec& s) { s.rope_scaling = {.kind = RopeScaling::kLlama3, .factor = 8}; }),
      "rope scaling llama3"));
}

TEST_CASE("merged linears are dense, and the rest is as it was") {
  ModelSpec spec = test::tiny_spec();
  spec.ffn_linear = {LinearKind::kBlockShuffle, 0, 3};
  const ModelValues model = random_model(spec);
  const ModelValues dense = merged(model);
  CHECK(dense.plan.spec.ffn_linear.kind == LinearKind::kDense);
  for (const TensorInfo& info : tensor_list(dense.plan)) {
    const std::vector<float> values = dense.read(info);
    CHECK(static_cast<i64>(values.size()) == info.numel());
    if (!contains(info.name, "ffn") || contains(info.name, "bias")) {
      CHECK(values == model.read(info));
    }
  }
}

TEST_CASE("an index of shards names files beside it only") {
  const auto error_of = [](const std::string& json) {
    return test::error_text([&] { parse_shard_index(json, "index"); });
  };
  CHECK(error_of(R"({"weight_map": {"a": "x.safetensors"}})").empty());
  for (const char* name : {"../x", "/etc/passwd", "a/b", "..", ""}) {
    CHECK(contains(error_of(std::string(R"({"weight_map": {"a": ")") + name + "\"}}"),
                   "expected a file beside the index"));
  }
  CHECK(contains(error_of(R"({"weight_map": {"a": 7}})"), "expected a file beside the index"));
  CHECK(contains(error_of("{}"), "weight_map"));
  CHECK(contains(error_of("nonsense"), "weight_map"));
}

TEST_CASE("a Hugging Face config that lathe would compute otherwise is refused by its key") {
  const test::TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  ModelSpec spec = family_specs()[0].spec;
  export_hf(as_input(random_model(spec), *tokenizer), dir.path());
  const Json config = Json::parse(read_text_file(dir.file("config.json")));
  const auto error_with = [&](const char* key, const Json& value) {
    Json changed = config;
    changed[key] = value;
    write_file_atomically(dir.file("config.json"), changed.dump());
    return test::error_text([&] { open_foreign_model(dir.path(), ""); });
  };
  CHECK(contains(error_with("model_type", "lama"), "did you mean 'llama'"));
  CHECK(contains(error_with("hidden_act", "relu"), "hidden_act is 'relu', expected silu"));
  CHECK(contains(error_with("rope_parameters", {{"rope_type", "yarn"}, {"factor", 4}}),
                 "rope_type is 'yarn', expected default, linear or llama3"));
  CHECK(contains(error_with("num_attention_heads", 0), "num_attention_heads is 0"));
  CHECK(contains(error_with("hidden_size", "wide"), "'hidden_size' is \"wide\", expected a whole"));
  CHECK(contains(error_with("hidden_size", -48), "hidden_size is -48"));
  CHECK(contains(error_with("intermediate_size", 97), "the config asks for f32 (97, 48)"));
  CHECK(contains(error_with("num_hidden_layers", 5), "model.layers.4"));
  CHECK(contains(error_with("num_hidden_layers", 3), "is not in the model that the config"));
  CHECK(error_with("sliding_window", nullptr).empty());
  CHECK(error_with("sliding_window", 20).empty());
  CHECK(open_foreign_model(dir.path(), "").values.plan.spec.context_length == 20);
}

TEST_CASE("pickles and what is no model are refused by name, and nothing of them is run") {
  const test::TempDir dir;
  const auto error_of = [&](const std::string& name, const std::string& content) {
    write_file_atomically(dir.file(name), content);
    return test::error_text([&] { open_foreign_model(dir.file(name), ""); });
  };
  CHECK(contains(error_of("m.pt", "PK\3\4xxxx"), "is a pickle"));
  CHECK(contains(error_of("m.bin", "\x80\x02}q"), "is a pickle"));
  CHECK(contains(error_of("m.safetensors", "xxxxxxxx"), "give the folder"));
  CHECK(contains(error_of("m.txt", "some text that is long enough for a header of ints"),
                 "no model that lathe reads"));
  CHECK(contains(error_of("empty", ""), "no model that lathe reads"));
  std::filesystem::create_directory(dir.file("folder"));
  CHECK(contains(test::error_text([&] { open_foreign_model(dir.file("folder"), ""); }),
                 "has no config.json"));
}
