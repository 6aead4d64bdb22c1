// LibTorch's logits against the native runtime's, for every topology, kind and option.
#include <doctest/doctest.h>

#include "support/run_program.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"
#include "train/checkpoint.h"
#include "train/nn/model.h"
#include "weights/safetensors.h"

using namespace lathe;

namespace {

// The logits of both engines for the same model directory, (T, V) f32.
struct Logits {
  at::Tensor torch, native;
};

Logits logits_of(const ModelSpec& spec, DType stored, Precision precision) {
  const test::TempDir folder;
  const Plan plan = make_plan(spec);
  auto weights = test::random_weights(plan, 1);
  test::write_model(spec, weights, folder.path(), stored);

  train::Parameters parameters(plan, at::kCPU, precision);
  train::load_weights(SafetensorsFile(folder.file("model.safetensors")), parameters);
  const train::Model model(plan, parameters, false);
  std::vector<i64> ids;
  std::vector<std::string> command = {LATHE_BIN_DIR "/native_logits", folder.path()};
  for (i64 i = 0; i < 29; ++i) {
    ids.push_back(i * 31 % spec.vocab_size);
    command.push_back(std::to_string(ids.back()));
  }
  const at::Tensor torch = model.logits(at::tensor(ids, at::kLong).view({1, -1}));
  auto result = test::run_program(command);
  REQUIRE(result.status == 0);
  REQUIRE(result.out.size() == static_cast<size_t>(torch.numel()) * sizeof(float));
  const at::Tensor native =
      at::from_blob(result.out.data(), torch.sizes(), at::TensorOptions().dtype(at::kFloat))
          .clone();
  return {torch, native};
}

}  // namespace

TEST_CASE("torch logits equal native logits for every topology × kind × option, f32") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    const Logits l = logits_of(spec, DType::kF32, Precision::kF32);
    CHECK((l.torch - l.native).abs().max().item<double>() < 1e-4);
  }
}

TEST_CASE("torch logits equal native logits where the weights are stored in bf16") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    // The values stored are the same; only the engines' own arithmetic differs.
    const Logits l = logits_of(spec, DType::kBf16, Precision::kF32);
    const double size = l.torch.abs().max().item<double>();
    CHECK((l.torch - l.native).abs().max().item<double>() < 0.05 * size);
  }
}
