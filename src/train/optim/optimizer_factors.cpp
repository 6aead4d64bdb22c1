#include "train/optim/optimizer_factors.h"

namespace lathe::train {

namespace {

at::Tensor slice(const at::Tensor& flat, const Parameter& p, i64 blocks, i64 rows, i64 cols) {
  return flat.narrow(0, p.offset, p.info.numel()).view({blocks, rows, cols});
}

at::Tensor normalised(const at::Tensor& rows) {
  return rows / rows.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace

at::Tensor v_blocks(const FactorPair& pair, const at::Tensor& flat) {
  const TwoFactor f = *two_factor(pair.spec);
  return slice(flat, *pair.v, f.v_blocks, f.v_out, f.v_in);
}

at::Tensor u_blocks(const FactorPair& pair, const at::Tensor& flat) {
  const TwoFactor f = *two_factor(pair.spec);
  return slice(flat, *pair.u, f.u_blocks, f.u_out, f.u_in);
}

std::pair<double, double> structure_aware_rates(const LinearSpec& spec) {
  const TwoFactor f = *two_factor(spec);
  const auto rate = [&](i64 read) {
    return static_cast<double>(spec.in) / static_cast<double>(read) / 2;
  };
  return {rate(f.v_in), rate(f.u_in)};
}

std::pair<at::Tensor, at::Tensor> product_norm_gradient(const at::Tensor& v, const at::Tensor& u) {
  const i64 K = v.size(0), Q = v.size(1), L = u.size(0), R = u.size(2);
  // Two inner positions j = k·Q + q = r·L + l meet in the product's norm where they share both k
  // and l. Gram matrices over all inner positions, zero where the first of the two differs:
  const auto options = v.options();
  const at::Tensor gram_v = at::zeros({K, Q, K, Q}, options);
  gram_v.diagonal(0, 0, 2).copy_(at::bmm(v, v.transpose(1, 2)).permute({1, 2, 0}));
  const at::Tensor gram_u = at::zeros({R, L, R, L}, options);
  gram_u.diagonal(0, 1, 3).copy_(at::bmm(u.transpose(1, 2), u).permute({1, 2, 0}));
  // Each factor's gradient takes the other's Gram matrix within its own blocks.
  const at::Tensor within_l = gram_v.view({R, L, R, L}).diagonal(0, 1, 3).permute({2, 0, 1});
  const at::Tensor within_k = gram_u.view({K, Q, K, Q}).diagonal(0, 0, 2).permute({2, 0, 1});
  return {at::bmm(within_k, v), at::bmm(u, within_l)};
}

at::Tensor orthogonalised(const at::Tensor& blocks) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = blocks.size(1) > blocks.size(2);
  at::Tensor x = tall ? blocks.transpose(1, 2) : blocks;
  x = x / x.norm(2, {1, 2}, /*keepdim=*/true).clamp_min(1e-12);
  for (int i = 0; i < 5; ++i) {
    const at::Tensor gram = at::bmm(x, x.transpose(1, 2));
    x = at::baddbmm(x, at::baddbmm(gram, gram, gram, b, c), x, a);
  }
  return tall ? x.transpose(1, 2) : x;
}

at::Tensor largest_singular_value(const at::Tensor& blocks, at::Tensor& left) {
  at::Tensor image;
  for (int i = 0; i < 2; ++i) {
    const at::Tensor right = normalised(at::bmm(left, blocks));
    image = at::bmm(right, blocks.transpose(1, 2));
    left.copy_(normalised(image));
  }
  return image.norm(2, {-1}).max();
}

}  // namespace lathe::train
