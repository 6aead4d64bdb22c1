// Every kind of linear against its dense matrix, and its gradients against finite differences.
#include "train/nn/linear.h"

#include <doctest/doctest.h>

#include <cmath>

#include "one_block.h"
#include "train/nn/projection.h"

using namespace lathe;
using namespace lathe::train;

TEST_CASE("every linear kind: forward equals its merged dense matrix") {
  for (const LinearShape& shape : kLinearShapes) {
    OneBlock f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, "ffn.up"), std::pair(f.block().down, "ffn.down")}) {
      CAPTURE(describe_linear(spec));
      const at::Tensor x = normal_tensor({7, spec.in}, 1, 3, 1);
      const std::string part = f.part(name);
      const at::Tensor expected = at::mm(x, merged(f.parameters, spec, part).t()) +
                                  f.parameters.get(tensor_name(part, "bias")).value;
      at::NoGradGuard no_grad;
      CHECK(relative(f.linear(spec, name).forward(x), expected) < 1e-5);
    }
  }
}

TEST_CASE("every linear kind: gradients equal central differences") {
  for (const LinearShape& shape : kLinearShapes) {
    OneBlock f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, "ffn.up"), std::pair(f.block().down, "ffn.down")}) {
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
      const std::string part = f.part(name);
      for (const Factor& factor : factors(spec)) {
        Parameter& p = f.parameters.get(tensor_name(part, factor.name));
        CHECK(gradient_error(p.value, p.grad, loss) < 1e-4);
      }
      const Parameter& bias = f.parameters.get(tensor_name(part, "bias"));
      CHECK(gradient_error(bias.value, bias.grad, loss) < 1e-4);
      CHECK(gradient_error(x.detach(), x.grad(), loss) < 1e-4);
    }
  }
}

TEST_CASE("bf16: forward stays within rounding of f32") {
  for (const LinearShape& shape : kLinearShapes) {
    OneBlock exact(shape.option, shape.in, shape.out);
    OneBlock rounded(shape.option, shape.in, shape.out, Precision::kBf16);
    const LinearSpec& spec = exact.block().up;
    CAPTURE(describe_linear(spec));
    const at::Tensor x = normal_tensor({7, spec.in}, 1, 3, 1);
    at::NoGradGuard no_grad;
    const at::Tensor a = exact.linear(spec, "ffn.up").forward(x);
    const at::Tensor b = rounded.linear(spec, "ffn.up").forward(x.to(at::kBFloat16));
    CHECK((b.scalar_type() == at::kBFloat16));
    CHECK(relative(b.to(at::kFloat), a) < 0.015);
  }
}

TEST_CASE("bf16: gradients stay within rounding of f32, for widths of several vectors") {
  const LinearShape shapes[] = {
      {{LinearKind::kDense, 0, 0}, 96, 160},        {{LinearKind::kLowRank, 40, 0}, 96, 160},
      {{LinearKind::kBlockDense, 48, 4}, 96, 160},  {{LinearKind::kBlockShuffle, 0, 2}, 132, 260},
      {{LinearKind::kBlockShuffle, 0, 3}, 96, 288}, {{LinearKind::kBlockShuffle, 0, 4}, 160, 320},
      {{LinearKind::kBlockShuffle, 0, 8}, 256, 520}};
  for (const LinearShape& shape : shapes) {
    OneBlock exact(shape.option, shape.in, shape.out);
    OneBlock rounded(shape.option, shape.in, shape.out, Precision::kBf16);
    for (const char* name : {"ffn.up", "ffn.down"}) {
      const LinearSpec& spec =
          std::string_view(name) == "ffn.up" ? exact.block().up : exact.block().down;
      CAPTURE(describe_linear(spec));
      const at::Tensor x = normal_tensor({35, spec.in}, 1, 3, 1);
      const at::Tensor dy = normal_tensor({35, spec.out}, 1, 3, 2);
      const auto input_grad = [&](OneBlock& f, at::ScalarType dtype) {
        f.parameters.zero_grad();
        const at::Tensor leaf = x.to(dtype).clone().requires_grad_();
        f.linear(spec, name).forward(leaf).backward(dy.to(dtype));
        return leaf.grad().to(at::kFloat);
      };
      CHECK(relative(input_grad(rounded, at::kBFloat16), input_grad(exact, at::kFloat)) < 0.02);
      for (const Parameter& p : exact.parameters.list()) {
        if (!p.info.name.starts_with(exact.part(name))) continue;
        CAPTURE(p.info.name);
        CHECK(relative(rounded.parameters.get(p.info.name).grad, p.grad) < 0.02);
      }
    }
  }
}

TEST_CASE("projection of a representable matrix is exact, for every kind and shape") {
  for (const LinearShape& shape : kLinearShapes) {
    OneBlock f(shape.option, shape.in, shape.out);
    for (const auto& [spec, name] :
         {std::pair(f.block().up, "ffn.up"), std::pair(f.block().down, "ffn.down")}) {
      CAPTURE(describe_linear(spec));
      const std::string part = f.part(name);
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
  OneBlock f({LinearKind::kLowRank, 5, 0}, 12, 20);
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
  for (const LinearShape& shape : kLinearShapes) {
    if (shape.option.kind == LinearKind::kDense) continue;
    OneBlock f(shape.option, shape.in, shape.out);
    const LinearSpec& spec = f.block().down;
    const std::string part = f.part("ffn.down");
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
