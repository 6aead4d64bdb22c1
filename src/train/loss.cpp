#include "train/loss.h"

#include "train/linear.h"

namespace lathe {

namespace {

i64 rows_a_chunk(const at::Tensor& h, i64 vocab_size) {
  const i64 row_bytes = vocab_size * static_cast<i64>(sizeof(float));
  return std::clamp<i64>(kLossChunkBytes / row_bytes, 16, std::max<i64>(16, h.size(0)));
}

// Loss of a chunk in f32; logits become log-probabilities.
at::Tensor chunk_loss(const at::Tensor& logits, const at::Tensor& targets, at::Tensor* log_p) {
  *log_p = at::log_softmax(logits, 1, at::kFloat);
  return -log_p->gather(1, targets.unsqueeze(1)).sum();
}

}  // namespace

at::Tensor cross_entropy_sum(const at::Tensor& h, const Parameter& head,
                             const at::Tensor& targets) {
  const i64 chunk = rows_a_chunk(h, head.compute.size(0));
  at::Tensor loss = at::zeros({}, h.options().dtype(at::kFloat));
  for (i64 at = 0; at < h.size(0); at += chunk) {
    const i64 n = std::min(chunk, h.size(0) - at);
    at::Tensor log_p;
    loss += chunk_loss(at::linear(h.narrow(0, at, n), head.compute), targets.narrow(0, at, n),
                       &log_p);
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
    at::Tensor log_p;
    loss += chunk_loss(at::linear(rows, head.compute), wanted, &log_p);
    // d loss / d logits = softmax − one-hot.
    at::Tensor dlogits = log_p.exp_();
    dlogits.scatter_add_(1, wanted.unsqueeze(1),
                         at::full({n, 1}, -1.0, dlogits.options()));
    dlogits = dlogits.mul_(scale).to(h.scalar_type());
    dh.narrow(0, at, n).copy_(at::mm(dlogits, head.compute));
    add_product(head.grad, dlogits, rows);
  }
  return {loss, dh};
}

}  // namespace lathe
