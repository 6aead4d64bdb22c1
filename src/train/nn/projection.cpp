#include "train/nn/projection.h"

#include "weights/projection.h"

namespace lathe::train {

namespace {

// a (m, r) and b (r, n) with a·b the best rank-r approximation of `block` (m, n), m, n ≥ r or not:
// the rank beyond min(m, n) is zero. Through the eigenvectors of the smaller Gram matrix, which is
// many times faster than an SVD; double keeps singular values down to 1e-7 of the largest.
std::pair<at::Tensor, at::Tensor> best_rank(const at::Tensor& block, i64 r) {
  if (block.size(0) < block.size(1)) {
    auto [a, b] = best_rank(block.t(), r);
    return {b.t(), a.t()};
  }
  const i64 full = block.size(1), kept = std::min(r, full);
  auto [values, vectors] = at::linalg_eigh(at::mm(block.t(), block));  // ascending
  const at::Tensor top = vectors.narrow(1, full - kept, kept).flip(1);
  const at::Tensor squares = values.narrow(0, full - kept, kept).flip(0).clamp_min(0);
  const at::Tensor sigma = squares.sqrt();
  // Directions that are not there get weight 0, not 0/0.
  const at::Tensor present = sigma > sigma.max() * 1e-9;
  const at::Tensor root = at::where(present, sigma, at::ones_like(sigma)).sqrt();
  at::Tensor a = at::mm(block, top) / root;
  at::Tensor b = (top * root).t();
  a = at::where(present, a, at::zeros_like(a));
  if (kept == r) return {a, b};
  const at::Tensor no_columns = at::zeros({block.size(0), r - kept}, block.options());
  const at::Tensor no_rows = at::zeros({r - kept, block.size(1)}, block.options());
  return {at::cat({a, no_columns}, 1), at::cat({b, no_rows}, 0)};
}

}  // namespace

std::vector<at::Tensor> project_to(const LinearSpec& spec, const at::Tensor& dense) {
  LATHE_CHECK(dense.size(0) == spec.out && dense.size(1) == spec.in);
  switch (form_of(spec)) {
    case LinearForm::kDense:
      return {dense.to(at::kFloat).clone()};
    case LinearForm::kTwoFactor:
      break;
  }
  const auto f = two_factor(spec);
  const at::Tensor w = dense.to(at::kDouble).view({f->u_out, f->u_blocks, f->v_blocks, f->v_in});
  at::Tensor v = at::zeros({f->v_blocks, f->v_out, f->v_in}, w.options());
  at::Tensor u = at::zeros({f->u_blocks, f->u_out, f->u_in}, w.options());
  const auto index = [&](const std::vector<i64>& positions) {
    return at::tensor(positions, at::kLong).to(dense.device());
  };
  for (const ProjectionBlock& block : projection_blocks(*f)) {
    const at::Tensor part = w.select(1, block.group).select(1, block.slice).contiguous();
    const auto [a, b] = best_rank(part, static_cast<i64>(block.v_rows.size()));
    v[block.slice].index_copy_(0, index(block.v_rows), b.contiguous());
    u[block.group].index_copy_(1, index(block.u_columns), a.contiguous());
  }
  const auto list = factors(spec);
  return {v.to(at::kFloat).view(list[0].shape), u.to(at::kFloat).view(list[1].shape)};
}

}  // namespace lathe::train
