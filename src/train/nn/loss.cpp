#include "train/nn/loss.h"

#include "train/nn/fused.h"
#include "train/nn/linear.h"
#include "train/nn/products.h"

namespace lathe::train {

namespace {

// Logits exist in the compute dtype where the fused kernels turn them into their gradient in place,
// else as f32 log-probabilities.
i64 rows_a_chunk(const at::Tensor& h, i64 vocab_size) {
  const i64 row_bytes = vocab_size * (fused_kernels(h) ? h.element_size() : i64{sizeof(float)});
  return std::clamp<i64>(kLossChunkBytes / row_bytes, 16, std::max<i64>(16, h.size(0)));
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
  const at::Tensor loss = -log_p.gather(1, targets.unsqueeze(1)).sum();
  at::Tensor dlogits = log_p.exp_();
  dlogits.scatter_add_(1, targets.unsqueeze(1), at::full({n, 1}, -1.0, dlogits.options()));
  return {loss, dlogits.mul_(scale).to(logits.scalar_type())};
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
    add_product(head.grad, dlogits, rows);
  }
  return {loss, dh};
}

}  // namespace lathe::train
