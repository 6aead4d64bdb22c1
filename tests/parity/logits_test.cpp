// LibTorch's logits against the native runtime's, for every topology, kind and option.
#include <doctest/doctest.h>

#include "core/safetensors.h"
#include "infer/forward.h"
#include "infer/model.h"
#include "kernels/thread_pool.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"
#include "train/checkpoint.h"
#include "train/model.h"

using namespace lathe;

TEST_CASE("torch logits equal native logits for every topology × kind × option") {
  ThreadPool pool(2);
  State state(pool);
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    const test::TempDir folder;
    const Plan plan = make_plan(spec);
    auto weights = test::random_weights(plan, 1);
    test::write_model(spec, weights, folder.path());

    train::Parameters parameters(plan, at::kCPU, train::Precision::kF32);
    train::load_weights(folder.file("model.safetensors"), parameters);
    const train::Model torch_model(plan, parameters, false);
    const auto native = load_model(folder.path());

    std::vector<int32_t> ids;
    for (int i = 0; i < 29; ++i) ids.push_back(static_cast<int32_t>(i * 31 % spec.vocab_size));
    const std::vector<i64> wide(ids.begin(), ids.end());
    const at::Tensor want = torch_model.logits(at::tensor(wide, at::kLong).view({1, -1}));
    KvCache cache(*native);
    const auto got = forward(*native, state, cache, ids, LogitRows::kAll);
    REQUIRE(static_cast<i64>(got.size()) == want.numel());
    const at::Tensor have =
        at::from_blob(const_cast<float*>(got.data()), want.sizes(), at::TensorOptions().dtype(at::kFloat));
    CHECK((have - want).abs().max().item<double>() < 1e-4);
  }
}
