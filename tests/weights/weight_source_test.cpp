#include "weights/weight_source.h"

#include <doctest/doctest.h>

#include "model/plan.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_models.h"
#include "weights/model_directory.h"

using namespace lathe;
using test::contains;

namespace {

TensorView view(const std::string& name, DType dtype, std::vector<i64> shape) {
  return {name, dtype, std::move(shape), {}};
}

TensorInfo wanted(const std::string& name, std::vector<i64> shape) {
  TensorInfo info;
  info.name = name;
  info.shape = std::move(shape);
  return info;
}

}  // namespace

TEST_CASE("weights: a source is found exactly as wanted, or the difference is named") {
  const std::vector<TensorInfo> list = {wanted("a.weight", {2, 3}), wanted("a.bias", {2})};
  const DType types[] = {DType::kF32, DType::kBf16};
  const auto error = [&](std::vector<TensorView> tensors) {
    const WeightSource source("there", std::move(tensors));
    return test::error_text([&] { check_weights(source, list, types); });
  };
  CHECK(error({view("a.bias", DType::kF32, {2}), view("a.weight", DType::kBf16, {2, 3})}) == "");
  CHECK(contains(error({view("a.bias", DType::kF32, {2})}),
                 "there: tensor 'a.weight' f32 (2, 3) is missing"));
  CHECK(contains(error({view("a.bias", DType::kF32, {2}), view("a.weight", DType::kF16, {2, 3})}),
                 "'a.weight' is f16 (2, 3), expected one of f32, bf16"));
  CHECK(contains(error({view("a.bias", DType::kF32, {2}), view("a.weight", DType::kF32, {3, 2})}),
                 "'a.weight' is f32 (3, 2), the config asks for f32 (2, 3)"));
  CHECK(contains(error({view("a.bias", DType::kF32, {2}), view("a.weight", DType::kF32, {2, 3}),
                        view("a.wait", DType::kF32, {2, 3})}),
                 "'a.wait' f32 (2, 3) is not in the config's model; did you mean 'a.weight'?"));
}

TEST_CASE("weights: a name that a source has not is an Error with the nearest") {
  const WeightSource source("there", {view("a.weight", DType::kF32, {2})});
  CHECK(source.find("b") == nullptr);
  CHECK(contains(test::error_text([&] { source.get("a.wieght"); }), "did you mean 'a.weight'?"));
}

TEST_CASE("model directory: what is written is what is opened, tokenizer and all") {
  const test::TempDir dir;
  const ModelSpec spec = test::tiny_spec();
  const Plan plan = make_plan(spec);
  const test::TinyWeights weights = test::random_weights(plan, 3);
  std::vector<TensorToWrite> tensors;
  for (const TensorInfo& info : tensor_list(plan)) {
    tensors.push_back({info.name, DType::kF32, info.shape, weights.at(info.name).data()});
  }
  write_model_directory(dir.path(), spec, tensors, *make_byte_tokenizer(), "{{ x }}");
  const ModelDirectory opened = open_model_directory(dir.path());
  CHECK(opened.plan.spec.d_ff == spec.d_ff);
  CHECK(opened.chat_template == "{{ x }}");
  CHECK(load_tokenizer(opened.tokenizer)->kind() == "bytes");
  const DType f32[] = {DType::kF32};
  check_weights(*opened.weights, tensor_list(opened.plan), f32);
  for (const auto& [name, values] : weights) {
    const TensorView& tensor = opened.weights->get(name);
    CAPTURE(name);
    REQUIRE(tensor.numel() == static_cast<i64>(values.size()));
    CHECK(std::memcmp(tensor.bytes.data(), values.data(), tensor.bytes.size()) == 0);
  }
}
