#include "train/nn/loss.h"

#include "train/nn/fused.h"
#include "train/nn/linear.h"
#include "train/nn/products.h"

namespace lathe::train {

namespace {

// Logits exist in the compute dtype where the fused kernels turn them into their gradient in place,
// else as f32 log-probabilities; `copies`: of them at a time.
i64 rows_a_chunk(const at::Tensor& h, i64 vocab_size, i64 copies = 1) {
  const i64 value_bytes = fused_kernels(h) && copies == 1 ? h.element_size() : i64{sizeof(float)};
  const i64 row_bytes = vocab_size * value_bytes * copies;
  return std::clamp<i64>(kLossChunkBytes / row_bytes, 16, std::max<i64>(16, h.size(0)));
}

// (n, 1) f32: 1 for the rows that count.
at::Tensor counted_rows(const at::Tensor& targets) {
  return targets.ge(0).unsqueeze(1).to(at::kFloat);
}

// {summed loss, scale · (softmax − one-hot)} of logits (n, V), which are overwritten.
std::pair<at::Tensor, at::Tensor> logits_grad(const at::Tensor& logits, const at::Tensor& targets,
                                              double scale) {
  const i64 n = logits.size(0);
  if (const auto* kernels = fused_kernels(logits)) {
    const at::Tensor losses = at::empty({n}, logits.options().dtype(at::kFloat));
    const CrossEntropy run{logits.size(1),          logits.stride(0), logits.data_ptr(),
                           targets.data_ptr<i64>(), f32_data(losses), static_cast<float>(scale)};
    for_ranges(n, 16, [&](i64 begin, i64 end) { kernels->cross_entropy(run, begin, end); });
    return {losses.sum(), logits};
  }
  const at::Tensor log_p = at::log_softmax(logits, 1, at::kFloat);
  const at::Tensor counted = counted_rows(targets), wanted = targets.clamp_min(0).unsqueeze(1);
  const at::Tensor loss = -(log_p.gather(1, wanted) * counted).sum();
  at::Tensor dlogits = log_p.exp_();
  dlogits.scatter_add_(1, wanted, at::full({n, 1}, -1.0, dlogits.options()));
  return {loss, dlogits.mul_(counted * scale).to(logits.scalar_type())};
}

// {summed KL(p ‖ q), T · (q − p)} of logits (n, V), which are left as they are.
std::pair<at::Tensor, at::Tensor> kl_grad(const at::Tensor& logits, const at::Tensor& teacher,
                                          const at::Tensor& counted, double temperature) {
  const auto log_softmax = [&](const at::Tensor& z) {
    const at::Tensor wide = z.to(at::kFloat);
    return at::log_softmax(temperature == 1 ? wide : wide / temperature, 1);
  };
  at::Tensor log_p = log_softmax(teacher), log_q = log_softmax(logits);
  const at::Tensor p = log_p.exp();
  const at::Tensor kl = (log_p.sub_(log_q).mul_(p).sum(1, /*keepdim=*/true) * counted).sum();
  return {kl, log_q.exp_().sub_(p).mul_(counted * temperature)};
}

}  // namespace

at::Tensor cross_entropy_sum(const at::Tensor& h, const Parameter& head,
                             const at::Tensor& targets) {
  const i64 chunk = rows_a_chunk(h, head.compute.size(0));
  at::Tensor loss = at::zeros({}, h.options().dtype(at::kFloat));
  for (i64 at = 0; at < h.size(0); at += chunk) {
    const i64 n = std::min(chunk, h.size(0) - at);
    const at::Tensor logits = linear_product(h.narrow(0, at, n), head.compute, {});
    loss += logits_grad(logits, targets.narrow(0, at, n).contiguous(), 1).first;
  }
  return loss;
}

std::pair<at::Tensor, at::Tensor> cross_entropy_grad(const at::Tensor& h, Parameter& head,
                                                     const at::Tensor& targets, double scale) {
  const i64 chunk = rows_a_chunk(h, head.compute.size(0));
  at::Tensor loss = at::zeros({}, h.options().dtype(at::kFloat));
  at::Tensor dh = at::empty_like(h);
  for (i64 at = 0; at < h.size(0); at += chunk) {
    const i64 n = std::min(chunk, h.size(0) - at);
    const at::Tensor rows = h.narrow(0, at, n), wanted = targets.narrow(0, at, n);
    const auto [chunk_loss, dlogits] =
        logits_grad(linear_product(rows, head.compute, {}), wanted.contiguous(), scale);
    loss += chunk_loss;
    multiply(dh.narrow(0, at, n), dlogits, head.compute);
    add_weight_gradient(head, dlogits, rows);
  }
  return {loss, dh};
}

DistilledLoss distillation_grad(const at::Tensor& h, Parameter& head, const at::Tensor& targets,
                                double scale, const Distillation& teacher) {
  constexpr i64 kCopies = 6;  // both models' logits, their logarithms and what is made of them
  const i64 chunk = rows_a_chunk(h, head.compute.size(0), kCopies);
  const at::Tensor zero = at::zeros({}, h.options().dtype(at::kFloat));
  DistilledLoss sums{zero, zero.clone(), at::empty_like(h)};
  for (i64 at = 0; at < h.size(0); at += chunk) {
    const i64 n = std::min(chunk, h.size(0) - at);
    const at::Tensor rows = h.narrow(0, at, n), wanted = targets.narrow(0, at, n).contiguous(),
                     logits = linear_product(rows, head.compute, {}),
                     theirs = linear_product(teacher.h.narrow(0, at, n), teacher.head->compute, {});
    // First, since the cross-entropy overwrites the logits.
    const auto [kl, dkl] = kl_grad(logits, theirs, counted_rows(wanted), teacher.temperature);
    auto [loss, dlogits] = logits_grad(logits, wanted, scale * (1 - teacher.weight));
    dlogits.add_(dkl, scale * teacher.weight);
    sums.loss += loss;
    sums.kl += kl;
    multiply(sums.dh.narrow(0, at, n), dlogits, head.compute);
    add_weight_gradient(head, dlogits, rows);
  }
  return sums;
}

}  // namespace lathe::train
