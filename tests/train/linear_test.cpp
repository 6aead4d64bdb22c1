// Every kind of linear against its dense matrix, and its gradients against finite differences.
#include "train/linear.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/rng.h"
#include "train/init.h"
#include "train/projection.h"

using namespace lathe;
using namespace lathe::train;

namespace {

// A plan of one block whose ffn.up is `option` from `in` to `out`, and ffn.down back.
Plan plan_with(const LinearOption& option, i64 in, i64 out) {
  ModelSpec spec;
  spec.vocab_size = 11;
  spec.context_length = 4;
  spec.d_model = in;
  spec.d_ff = out;
  spec.n_layers = 1;
  spec.n_heads = spec.n_kv_heads = 1;
  spec.d_head = 4;
  spec.dense_ffn_layers = {};
  spec.ffn_linear = option;
  return make_plan(spec);
}

struct Fixture {
  Fixture(const LinearOption& option, i64 in, i64 out, Precision precision = Precision::kF32)
      : plan(plan_with(option, in, out)), parameters(plan, at::kCPU, precision) {
    uint32_t stream = 0;
    for (Parameter& p : parameters.list()) {
      p.value.copy_(normal_tensor(p.info.shape, 0.5, 7, stream++));
    }
    parameters.refresh_compute();
  }
  const BlockSpec& block() const { return std::get<BlocksStage>(plan.stages[1]).blocks[0]; }
  Linear linear(const LinearSpec& spec, const char* name) {
    return Linear(spec, tensor_name(block().name, name), parameters);
  }
  Plan plan;
  Parameters parameters;
};

// The dense matrix of a linear whose factors are in `parameters`, by core's independent sum.
at::Tensor merged(Parameters& parameters, const LinearSpec& spec, const std::string& part) {
  std::vector<at::Tensor> held;
  std::vector<std::span<const float>> views;
  for (const Factor& factor : factors(spec)) {
    held.push_back(parameters.get(tensor_name(part, factor.name)).value.contiguous());
    views.emplace_back(held.back().data_ptr<float>(), held.back().numel());
  }
  at::Tensor dense = at::empty({spec.out, spec.in}, at::kFloat);
  merge_to_dense(spec, views, {dense.data_ptr<float>(), static_cast<size_t>(dense.numel())});
  return dense;
}

struct Shape {
  LinearOption option;
  i64 in, out;
};
// in < out and, by ffn.down, in > out; in == out; blocks that do not divide the inner blocks'
// width.
const std::vector<Shape> kShapes = {
    {{LinearKind::kDense, 0, 0}, 12, 20},        {{LinearKind::kLowRank, 5, 0}, 12, 20},
    {{LinearKind::kLowRank, 12, 0}, 12, 12},     {{LinearKind::kBlockDense, 6, 3}, 12, 24},
    {{LinearKind::kBlockDense, 8, 2}, 16, 16},   {{LinearKind::kBlockShuffle, 0, 2}, 12, 20},
    {{LinearKind::kBlockShuffle, 0, 4}, 16, 32}, {{LinearKind::kBlockShuffle, 0, 3}, 15, 24},
    {{LinearKind::kBlockShuffle, 0, 4}, 24, 24}};

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / (b.norm() + 1e-30)).item<double>();
}

}  // namespace

TEST_CASE("every linear kind: forward equals its merged dense matrix") {
  for (const Shape& shape : kShapes) {
    Fixture f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, kUp), std::pair(f.block().down, kDown)}) {
      CAPTURE(describe_linear(spec));
      const at::Tensor x = normal_tensor({7, spec.in}, 1, 3, 1);
      const std::string part = tensor_name(f.block().name, name);
      const at::Tensor expected = at::mm(x, merged(f.parameters, spec, part).t()) +
                                  f.parameters.get(tensor_name(part, "bias")).value;
      at::NoGradGuard no_grad;
      CHECK(relative(f.linear(spec, name).forward(x), expected) < 1e-5);
    }
  }
}

TEST_CASE("every linear kind: gradients equal central differences") {
  for (const Shape& shape : kShapes) {
    Fixture f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, kUp), std::pair(f.block().down, kDown)}) {
      CAPTURE(describe_linear(spec));
      const Linear linear = f.linear(spec, name);
      at::Tensor x = normal_tensor({5, spec.in}, 1, 3, 1).requires_grad_();
      const at::Tensor weights = normal_tensor({5, spec.out}, 1, 3, 2);
      f.parameters.zero_grad();
      (linear.forward(x) * weights).sum().backward();
      at::NoGradGuard no_grad;
      const auto loss = [&] {
        return (linear.forward(x.detach()).to(at::kDouble) * weights).sum().item<double>();
      };
      // The loss is linear in each single number, so a wide difference is exact but for rounding.
      const auto check = [&](at::Tensor value, const at::Tensor& grad) {
        const at::Tensor flat = value.view({-1}), flat_grad = grad.contiguous().view({-1});
        const double size = grad.abs().max().item<double>();
        const i64 stride = std::max<i64>(1, flat.numel() / 40);
        for (i64 i = 0; i < flat.numel(); i += stride) {
          const double before = flat[i].item<double>();
          flat[i] = before + 0.5;
          const double high = loss();
          flat[i] = before - 0.5;
          const double low = loss();
          flat[i] = before;
          CHECK(std::abs(high - low - flat_grad[i].item<double>()) < 1e-4 * size);
        }
      };
      const std::string part = tensor_name(f.block().name, name);
      for (const Factor& factor : factors(spec)) {
        Parameter& p = f.parameters.get(tensor_name(part, factor.name));
        check(p.value, p.grad);
      }
      check(f.parameters.get(tensor_name(part, "bias")).value,
            f.parameters.get(tensor_name(part, "bias")).grad);
      check(x.detach(), x.grad());
    }
  }
}

TEST_CASE("bf16: forward stays within rounding of f32") {
  for (const Shape& shape : kShapes) {
    Fixture exact(shape.option, shape.in, shape.out);
    Fixture rounded(shape.option, shape.in, shape.out, Precision::kBf16);
    const LinearSpec& spec = exact.block().up;
    CAPTURE(describe_linear(spec));
    const at::Tensor x = normal_tensor({7, spec.in}, 1, 3, 1);
    at::NoGradGuard no_grad;
    const at::Tensor a = exact.linear(spec, kUp).forward(x);
    const at::Tensor b = rounded.linear(spec, kUp).forward(x.to(at::kBFloat16));
    CHECK((b.scalar_type() == at::kBFloat16));
    CHECK(relative(b.to(at::kFloat), a) < 0.015);
  }
}

TEST_CASE("projection of a representable matrix is exact, for every kind and shape") {
  for (const Shape& shape : kShapes) {
    Fixture f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, kUp), std::pair(f.block().down, kDown)}) {
      CAPTURE(describe_linear(spec));
      const std::string part = tensor_name(f.block().name, name);
      const at::Tensor dense = merged(f.parameters, spec, part);
      const auto projected = project_to(spec, dense);
      const auto list = factors(spec);
      for (size_t i = 0; i < list.size(); ++i) {
        f.parameters.get(tensor_name(part, list[i].name)).value.copy_(projected[i]);
      }
      CHECK(relative(merged(f.parameters, spec, part), dense) < 1e-5);
    }
  }
}

TEST_CASE("projection onto low_rank keeps exactly the largest singular values") {
  Fixture f({LinearKind::kLowRank, 5, 0}, 12, 20);
  const LinearSpec& spec = f.block().up;
  const at::Tensor dense = normal_tensor({20, 12}, 1, 9, 0);
  const auto projected = project_to(spec, dense);
  const auto sigma = std::get<1>(at::linalg_svd(dense, false));
  const double lost = (dense - at::mm(projected[1], projected[0])).norm().item<double>();
  CHECK(lost == doctest::Approx(sigma.narrow(0, 5, 7).norm().item<double>()).epsilon(1e-5));
  // Evenly split: both factors have the square roots as singular values.
  const auto of_u = std::get<1>(at::linalg_svd(projected[1], false));
  CHECK(relative(of_u * of_u, sigma.narrow(0, 0, 5)) < 1e-5);
}

TEST_CASE("projection is a best one: no step along any factor brings it nearer") {
  for (const Shape& shape : kShapes) {
    if (shape.option.kind == LinearKind::kDense) continue;
    Fixture f(shape.option, shape.in, shape.out);
    const LinearSpec& spec = f.block().down;
    const std::string part = tensor_name(f.block().name, kDown);
    CAPTURE(describe_linear(spec));
    const at::Tensor dense = normal_tensor({spec.out, spec.in}, 1, 9, 0);
    const auto projected = project_to(spec, dense);
    const auto distance = [&](double scale, uint32_t stream) {
      for (size_t i = 0; i < 2; ++i) {
        const at::Tensor& p = projected[i];
        f.parameters.get(tensor_name(part, factors(spec)[i].name))
            .value.copy_(p + scale * normal_tensor(p.sizes().vec(), 1, 11,
                                                   stream * 2 + static_cast<uint32_t>(i)));
      }
      return (merged(f.parameters, spec, part) - dense).norm().item<double>();
    };
    const double best = distance(0, 0);
    for (uint32_t stream = 0; stream < 20; ++stream) CHECK(distance(0.01, stream) > best);
  }
}

TEST_CASE(
    "initial factors: low_rank keeps the paper's share of a normal matrix, others are orthogonal") {
  // 3072 × 768 at rank 192 keeps 42.7 % of the energy (reference §2.3); the same shapes at a
  // quarter.
  const LinearOption low = {LinearKind::kLowRank, 48, 0};
  Plan plan = plan_with(low, 192, 768);
  Parameters parameters(plan, at::kCPU, Precision::kF32);
  initialise(parameters, 1);
  const at::Tensor v = parameters.get("blocks.0.ffn.up.v").value;
  const at::Tensor u = parameters.get("blocks.0.ffn.up.u").value;
  const double energy = at::mm(u, v).square().sum().item<double>();
  CHECK(energy / (0.02 * 0.02 * 192 * 768) == doctest::Approx(0.427).epsilon(0.02));

  for (const LinearOption& option : {LinearOption{LinearKind::kBlockDense, 48, 2},
                                     LinearOption{LinearKind::kBlockShuffle, 0, 4}}) {
    Plan p = plan_with(option, 96, 384);
    Parameters q(p, at::kCPU, Precision::kF32);
    initialise(q, 1);
    for (const char* name :
         {"blocks.0.ffn.up.v", "blocks.0.ffn.up.u", "blocks.0.ffn.down.v", "blocks.0.ffn.down.u"}) {
      CAPTURE(name);
      const at::Tensor sigma = at::linalg_svdvals(q.get(name).value);
      CHECK((sigma - 1).abs().max().item<double>() < 1e-5);
    }
  }
}

TEST_CASE("initial weights depend on the seed alone, not on the threads") {
  Plan plan = plan_with({LinearKind::kLowRank, 8, 0}, 64, 128);
  Parameters one(plan, at::kCPU, Precision::kF32), two(plan, at::kCPU, Precision::kF32),
      other(plan, at::kCPU, Precision::kF32);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  initialise(one, 5);
  at::set_num_threads(2);
  initialise(two, 5);
  initialise(other, 6);
  at::set_num_threads(threads);
  CHECK(at::equal(one.get(kTokenEmbedding).value, two.get(kTokenEmbedding).value));
  CHECK_FALSE(at::equal(one.get(kTokenEmbedding).value, other.get(kTokenEmbedding).value));
}
