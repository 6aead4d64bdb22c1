#include "train/loss.h"

#include "train/fused.h"
#include "train/linear.h"

namespace lathe::train {

namespace {

i64 rows_a_chunk(const at::Tensor& h, i64 vocab_size) {
  const i64 row_bytes = vocab_size * static_cast<i64>(sizeof(float));  // log-softmax is f32
  return std::clamp<i64>(kLossChunkBytes / row_bytes, 16, std::max<i64>(16, h.size(0)));
}

// Loss of a chunk in f32; logits become log-probabilities.
at::Tensor chunk_loss(const at::Tensor& logits, const at::Tensor& targets, at::Tensor* log_p) {
  *log_p = at::log_softmax(logits, 1, at::kFloat);
  return -log_p->gather(1, targets.unsqueeze(1)).sum();
}

// {summed loss, scale · (softmax − one-hot)} of logits (n, V), which are overwritten.
std::pair<at::Tensor, at::Tensor> logits_grad(const at::Tensor& logits, const at::Tensor& targets,
                                              double scale) {
  const i64 n = logits.size(0);
  if (const auto* kernels = fused_kernels(logits)) {
    const at::Tensor losses = at::empty({n}, logits.options().dtype(at::kFloat));
    const CrossEntropy run{logits.size(1),          logits.stride(0), bf16_data(logits),
                           targets.data_ptr<i64>(), f32_data(losses), static_cast<float>(scale)};
    for_ranges(n, 16, [&](i64 begin, i64 end) { kernels->cross_entropy(run, begin, end); });
    return {losses.sum(), logits};
  }
  at::Tensor log_p;
  const at::Tensor loss = chunk_loss(logits, targets, &log_p);
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
    at::Tensor log_p;
    loss +=
        chunk_loss(at::linear(h.narrow(0, at, n), head.compute), targets.narrow(0, at, n), &log_p);
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
        logits_grad(at::linear(rows, head.compute), wanted.contiguous(), scale);
    loss += chunk_loss;
    dh.narrow(0, at, n).copy_(at::mm(dlogits, head.compute));
    add_product(head.grad, dlogits, rows);
  }
  return {loss, dh};
}

}  // namespace lathe::train
