// What bench says of a model, but for times.
#include "infer/speed.h"

#include <doctest/doctest.h>

#include "support/tiny_models.h"
#include "weights/random_weights.h"

using namespace lathe;
using namespace lathe::infer;

TEST_CASE("bytes a token: those of every matrix but embeddings, of every topology and kind") {
  for (const test::NamedSpec& named : test::tiny_specs()) {
    CAPTURE(named.name);
    const Plan plan = make_plan(named.spec);
    i64 expected = 0;  // all matrices but embeddings, of which a token reads a row
    for (const TensorInfo& info : tensor_list(plan)) {
      const bool head_too = named.spec.tie_embeddings && info.name == kTokenEmbedding;
      if (info.matrix && (info.role != Role::kEmbedding || head_too)) expected += info.numel();
    }
    for (const DType type : {DType::kF32, DType::kBf16}) {
      const auto model = make_model(plan, *random_weights(plan, type, 1));
      const i64 bytes = weight_bytes_a_token(*model, PathChoice::kAll);
      CHECK(bytes == stored_bytes(type, expected));
      if (named.spec.topology.kind == TopologyKind::kPgpt) {
        CHECK(weight_bytes_a_token(*model, PathChoice::kBest) < bytes);
      }
    }
  }
}

TEST_CASE("speed: runs the test's tokens behind its depth, again and again") {
  const Plan plan = make_plan(test::tiny_spec());
  const auto model = make_model(plan, *random_weights(plan, DType::kF32, 1));
  ThreadPool pool(2);
  State state(pool);
  SpeedRun run(*model, state, {.n_prompt = 3, .n_generated = 2, .depth = 4});
  CHECK(run.cache().length() == 4);
  for (int i = 0; i < 3; ++i) {
    CHECK(run.seconds() > 0);
    CHECK(run.cache().length() == 9);
  }
  CHECK(product_peak(state, DType::kF32) > 0);
}

TEST_CASE("random weights: of the plan's shapes and size, the same for the same seed") {
  const Plan plan = make_plan(test::tiny_spec());
  const auto a = random_weights(plan, DType::kF32, 1), b = random_weights(plan, DType::kF32, 1),
             c = random_weights(plan, DType::kF32, 2);
  bool differs = false;
  for (const TensorInfo& info : tensor_list(plan)) {
    const TensorView &x = a->get(info.name), &y = b->get(info.name), &z = c->get(info.name);
    CHECK(x.shape == info.shape);
    CHECK(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end()));
    differs |= !std::equal(x.bytes.begin(), x.bytes.end(), z.bytes.begin(), z.bytes.end());
    if (!info.matrix) continue;
    double square = 0;
    const auto* values = reinterpret_cast<const float*>(x.bytes.data());
    for (i64 i = 0; i < info.numel(); ++i) square += double{values[i]} * double{values[i]};
    CHECK(square / static_cast<double>(info.numel()) * static_cast<double>(info.shape.back()) ==
          doctest::Approx(1).epsilon(0.1));
  }
  CHECK(differs);
}
