#include "train/attention.h"

#include <cmath>

namespace lathe {

RopeTables make_rope_tables(i64 n_positions, i64 d_head, double base, at::Device device) {
  const i64 half = d_head / 2;
  const auto f64 = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor power = at::arange(half, f64).mul_(-2.0 / static_cast<double>(d_head));
  const at::Tensor frequency = at::exp(power * std::log(base));
  const at::Tensor angle = at::outer(at::arange(n_positions, f64), frequency);
  const auto as = [&](const at::Tensor& t) { return t.to(at::kFloat).to(device); };
  return {as(angle.cos()), as(angle.sin())};
}

namespace {

// Rotate-half: element i pairs with i + E/2. x (B, H, T, E).
at::Tensor rotated(const at::Tensor& x, const RopeTables& rope) {
  const i64 half = x.size(3) / 2, n = x.size(2);
  const at::Tensor cos = rope.cos.narrow(0, 0, n), sin = rope.sin.narrow(0, 0, n);
  const at::Tensor a = x.narrow(3, 0, half).to(at::kFloat), b = x.narrow(3, half, half).to(at::kFloat);
  return at::cat({a * cos - b * sin, b * cos + a * sin}, 3).to(x.scalar_type());
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& qkv, i64 n_sequences, const BlockSpec& block,
                            const RopeTables* rope) {
  const i64 B = n_sequences, T = qkv.size(0) / B;
  const i64 H = block.n_heads, K = block.n_kv_heads, E = block.d_head;
  const at::Tensor heads = qkv.view({B, T, H + 2 * K, E}).transpose(1, 2);
  at::Tensor q = heads.narrow(1, 0, H), k = heads.narrow(1, H, K), v = heads.narrow(1, H + K, K);
  if (rope) {
    q = rotated(q, *rope);
    k = rotated(k, *rope);
  }
  if (K != H) {
    const auto repeated = [&](const at::Tensor& x) {
      return x.unsqueeze(2).expand({B, K, H / K, T, E}).reshape({B, H, T, E});
    };
    k = repeated(k);
    v = repeated(v);
  }
  const at::Tensor out = at::scaled_dot_product_attention(
      q, k, v, {}, 0.0, /*is_causal=*/true, 1.0 / std::sqrt(static_cast<double>(E)));
  return out.transpose(1, 2).reshape({B * T, H * E});
}

}  // namespace lathe
