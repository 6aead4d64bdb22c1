// Learning from a teacher: the loss of logits and the losses of blocks against their formulas, and
// models that only run.
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "support/tiny_models.h"
#include "train/nn/block_distillation.h"
#include "train/nn/init.h"
#include "train/nn/loss.h"

using namespace lathe;
using namespace lathe::train;

namespace {

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b).norm() / b.norm()).item<double>();
}

Parameter head_of(const at::Tensor& value) {
  Parameter head;
  head.info.name = "head";
  head.value = head.compute = value;
  head.grad = at::zeros_like(value);
  return head;
}

// Rows of a student and a teacher of another width, every third row without a target.
struct Rows {
  i64 V = 311, N = 50;
  at::Tensor h = normal_tensor({N, 8}, 1, 1, 0), teacher_h = normal_tensor({N, 12}, 1, 1, 1);
  Parameter head = head_of(normal_tensor({V, 8}, 0.6, 1, 2)),
            teacher_head = head_of(normal_tensor({V, 12}, 0.6, 1, 3));
  at::Tensor counted = (at::arange(N, at::kLong) % 3).ne(0);
  at::Tensor targets =
      at::where(counted, at::arange(N, at::kLong) * 37 % V, at::full({N}, -1, at::kLong));
  Distillation teacher(double weight, double temperature) {
    return {teacher_h, &teacher_head, weight, temperature};
  }
};

// {cross-entropy, KL at T} summed over the rows that count, in f64, by LibTorch's own operations.
std::pair<at::Tensor, at::Tensor> reference(const Rows& r, const at::Tensor& h,
                                            const at::Tensor& head, double T) {
  const at::Tensor rows = r.counted.nonzero().squeeze(1);
  const at::Tensor z = at::mm(h, head.t()).index_select(0, rows);
  const at::Tensor theirs =
      at::mm(r.teacher_h.to(at::kDouble), r.teacher_head.value.to(at::kDouble).t())
          .index_select(0, rows);
  const at::Tensor wanted = r.targets.index_select(0, rows).unsqueeze(1);
  const at::Tensor ce = -at::log_softmax(z, 1).gather(1, wanted).sum();
  const at::Tensor p = at::softmax(theirs / T, 1), q = at::softmax(z / T, 1);
  return {ce, (p * (p.log() - q.log())).sum()};
}

}  // namespace

TEST_CASE("rows without a target count nothing in the cross-entropy, and have no gradient") {
  Rows r;
  const at::Tensor h64 = r.h.to(at::kDouble).requires_grad_(),
                   w64 = r.head.value.to(at::kDouble).requires_grad_();
  const at::Tensor want = reference(r, h64, w64, 1).first;
  torch::autograd::backward({want * 0.3}, {});
  const auto [loss, dh] = cross_entropy_grad(r.h, r.head, r.targets, 0.3);
  CHECK(loss.item<double>() == doctest::Approx(want.item<double>()).epsilon(1e-5));
  CHECK(relative(dh, h64.grad()) < 1e-5);
  CHECK(relative(r.head.grad, w64.grad()) < 1e-5);
  CHECK(dh[0].abs().max().item<double>() == 0);
  CHECK(cross_entropy_sum(r.h, r.head, r.targets).item<double>() ==
        doctest::Approx(want.item<double>()).epsilon(1e-5));
  // None counts: 0, and no NaN.
  r.head.grad.zero_();
  const auto [none, nothing] = cross_entropy_grad(r.h, r.head, at::full_like(r.targets, -1), 1);
  CHECK(none.item<double>() == 0);
  CHECK(nothing.abs().max().item<double>() == 0);
  CHECK(r.head.grad.abs().max().item<double>() == 0);
}

TEST_CASE("distillation is (1 - w) CE + w T² KL, and its gradients are autograd's in f64") {
  for (const auto& [weight, T] : {std::pair(0.5, 1.0), {0.7, 2.5}, {1.0, 1.0}, {0.0, 3.0}}) {
    CAPTURE(weight);
    CAPTURE(T);
    Rows r;
    const at::Tensor h64 = r.h.to(at::kDouble).requires_grad_(),
                     w64 = r.head.value.to(at::kDouble).requires_grad_();
    const auto [ce, kl] = reference(r, h64, w64, T);
    torch::autograd::backward({(ce * (1 - weight) + kl * (weight * T * T)) * 0.25}, {});
    const DistilledLoss got = distillation_grad(r.h, r.head, r.targets, 0.25, r.teacher(weight, T));
    CHECK(got.loss.item<double>() == doctest::Approx(ce.item<double>()).epsilon(1e-5));
    CHECK(got.kl.item<double>() == doctest::Approx(kl.item<double>()).epsilon(1e-4));
    CHECK(relative(got.dh, h64.grad()) < 2e-5);
    CHECK(relative(r.head.grad, w64.grad()) < 2e-5);
  }
}

TEST_CASE("distillation's gradient equals central differences of its own losses") {
  Rows r;
  const double weight = 0.6, T = 1.7;
  const at::Tensor at_h = r.h.clone();
  const auto loss = [&](const at::Tensor& h) {
    const DistilledLoss sums = distillation_grad(h, r.head, r.targets, 1, r.teacher(weight, T));
    return (1 - weight) * sums.loss.item<double>() + weight * T * T * sums.kl.item<double>();
  };
  const at::Tensor dh = distillation_grad(at_h, r.head, r.targets, 1, r.teacher(weight, T)).dh;
  for (uint32_t i = 0; i < 4; ++i) {
    const at::Tensor direction = normal_tensor({r.N, 8}, 1, 9, i);
    const double eps = 1e-2;
    const double slope = (loss(at_h + eps * direction) - loss(at_h - eps * direction)) / (2 * eps);
    CHECK(slope == doctest::Approx((dh * direction).sum().item<double>()).epsilon(5e-3));
  }
}

TEST_CASE("distillation in chunks is that of the whole, and a model is its own best teacher") {
  Rows r;
  r.V = 20000;
  r.N = 400;
  REQUIRE(r.V * r.N * 24 > 2 * kLossChunkBytes);
  r.h = normal_tensor({r.N, 8}, 1, 1, 0);
  r.head = head_of(normal_tensor({r.V, 8}, 0.6, 1, 2));
  r.counted = at::ones({r.N}, at::kBool);
  r.targets = at::arange(r.N, at::kLong) * 37 % r.V;
  const Distillation itself = {r.h, &r.head, 1.0, 1.0};
  const DistilledLoss got = distillation_grad(r.h, r.head, r.targets, 1, itself);
  CHECK(std::abs(got.kl.item<double>()) < 1e-3);
  CHECK(got.dh.abs().max().item<double>() < 1e-6);
  CHECK(got.loss.item<double>() ==
        doctest::Approx(cross_entropy_sum(r.h, r.head, r.targets).item<double>()).epsilon(1e-6));
}

namespace {

struct Tiny {
  explicit Tiny(const ModelSpec& spec, uint64_t seed = 1)
      : plan(make_plan(spec)),
        weights(test::random_weights(plan, seed)),
        parameters(plan, at::kCPU, Precision::kF32),
        model(plan, parameters, false) {
    for (Parameter& p : parameters.list()) {
      p.value.copy_(at::tensor(weights.at(p.info.name)).view(p.info.shape));
    }
  }
  Plan plan;
  test::TinyWeights weights;
  Parameters parameters;
  Model model;
};

ModelSpec structured(i64 n_layers) {
  ModelSpec spec = test::tiny_spec();
  spec.n_layers = n_layers;
  spec.ffn_linear = {LinearKind::kLowRank, 7, 0};
  return spec;
}

ModelSpec dense(i64 n_layers) {
  ModelSpec spec = test::tiny_spec();
  spec.n_layers = n_layers;
  return spec;
}

double gradient_norm_of(Parameters& parameters) {
  return parameters.flat_grad.norm().item<double>();
}

at::Tensor tokens_of(i64 rows, i64 n) {
  return (at::arange(rows * n, at::kLong) * 31 % 37).view({rows, n});
}

}  // namespace

TEST_CASE("a block's loss is the mean absolute difference less the logarithm of σ(cos)") {
  const at::Tensor out = at::tensor({1.0f, 2.0f, 2.0f, 0.0f, 3.0f, 4.0f}).view({2, 3}),
                   wanted = at::tensor({2.0f, 0.0f, 1.0f, 0.0f, 3.0f, 4.0f}).view({2, 3});
  const at::Tensor got = block_losses(out, wanted);
  const double cosine = 4 / (3 * std::sqrt(5.0));
  CHECK(got[0].item<double>() ==
        doctest::Approx(4.0 / 3 + std::log1p(std::exp(-cosine))).epsilon(1e-6));
  CHECK(got[1].item<double>() == doctest::Approx(std::log1p(std::exp(-1.0))).epsilon(1e-6));
}

TEST_CASE("block by block: a block's gradient is its own losses', and nothing else has one") {
  const at::Tensor tokens = tokens_of(2, 9);
  const double scale = 1.0 / 18;
  Tiny student(structured(2)), teacher(dense(2), 5);
  student.parameters.zero_grad();
  const double sum = distil_blocks(student.model, teacher.model, tokens, scale).item<double>();
  CHECK(std::isfinite(sum));
  for (const Parameter& p : student.parameters.list()) {
    CAPTURE(p.info.name);
    const bool of_block = p.info.name.starts_with("blocks.");
    CHECK((p.grad.abs().max().item<double>() > 0) == of_block);
  }
  CHECK(teacher.parameters.flat_grad.abs().max().item<double>() == 0);

  // The first block knows of no second.
  Tiny first(structured(1)), first_teacher(dense(1), 5);
  for (auto [one, two] : {std::pair(&first, &student), {&first_teacher, &teacher}}) {
    for (Parameter& p : one->parameters.list()) {
      p.value.copy_(two->parameters.get(p.info.name).value);
    }
  }
  first.parameters.zero_grad();
  const auto first_sum = [&] {
    return distil_blocks(first.model, first_teacher.model, tokens, scale).item<double>();
  };
  const double one = first_sum();
  for (const Parameter& p : first.parameters.list()) {
    if (!p.info.name.starts_with("blocks.")) continue;
    CAPTURE(p.info.name);
    CHECK(p.grad.equal(student.parameters.get(p.info.name).grad));
  }

  // Differences: of the only block, and of the last of two, on which no other depends.
  const auto check = [&](Tiny& tiny, const char* block, double n_blocks, const auto& loss) {
    // Every call of loss() adds to the gradients.
    const at::Tensor grads = tiny.parameters.flat_grad.clone();
    for (Parameter& p : tiny.parameters.list()) {
      if (!p.info.name.starts_with(block)) continue;
      CAPTURE(p.info.name);
      const at::Tensor grad = grads.narrow(0, p.offset, p.info.numel()).view(p.info.shape),
                       value = p.value.clone();
      const double norm = grad.norm().item<double>(), eps = 2e-3;
      p.value.copy_(value + grad * (eps / norm));
      const double high = loss();
      p.value.copy_(value - grad * (eps / norm));
      const double low = loss();
      p.value.copy_(value);
      CHECK((high - low) / (2 * eps) * n_blocks * scale == doctest::Approx(norm).epsilon(0.03));
    }
  };
  check(first, "blocks.0.", 1, first_sum);
  check(student, "blocks.1.", 2,
        [&] { return distil_blocks(student.model, teacher.model, tokens, scale).item<double>(); });
  CHECK(one == doctest::Approx(first_sum()));
}

TEST_CASE("block by block: beside itself a block has nothing to learn but the angle's constant") {
  Tiny student(dense(3)), teacher(dense(3));
  const at::Tensor tokens = tokens_of(2, 9);
  student.parameters.zero_grad();
  const double sum = distil_blocks(student.model, teacher.model, tokens, 1.0 / 18).item<double>();
  CHECK(sum / 18 == doctest::Approx(2 * std::log1p(std::exp(-1.0))).epsilon(1e-5));
  CHECK(gradient_norm_of(student.parameters) < 1e-4);
}

TEST_CASE("a model that only runs has the logits of one that trains, and none of its gradients") {
  for (const auto& [name, spec] : test::tiny_specs()) {
    CAPTURE(name);
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      const Plan plan = make_plan(spec);
      const auto weights = test::random_weights(plan, 3);
      Parameters trained(plan, at::kCPU, precision);
      const auto fixed = Parameters::fixed(plan, at::kCPU, precision);
      for (Parameters* set : {&trained, fixed.get()}) {
        for (Parameter& p : set->list()) {
          const at::Tensor value = at::tensor(weights.at(p.info.name)).view(p.info.shape);
          (p.value.defined() ? p.value : p.compute).copy_(value);
        }
        set->refresh_compute();
      }
      for (const Parameter& p : fixed->list()) {
        CHECK(!p.grad.defined());
        CHECK(p.frozen);
        if (p.info.linear && precision == Precision::kBf16) CHECK(!p.value.defined());
      }
      CHECK(fixed->flat_value.numel() + fixed->flat_grad.numel() == 0);
      const at::Tensor tokens = tokens_of(2, 9);
      CHECK(Model(plan, *fixed, false)
                .logits(tokens)
                .equal(Model(plan, trained, false).logits(tokens)));
    }
  }
}
