#include "train/nn/attention.h"

#include <cmath>
#include <numeric>

#include "model/rotary.h"
#include "train/nn/fused.h"

namespace lathe::train {

RopeTables make_rope_tables(i64 n_positions, const RopeSpec& rope, at::Device device) {
  std::vector<i64> positions(static_cast<size_t>(n_positions));
  std::iota(positions.begin(), positions.end(), i64{0});
  const at::Tensor cos = at::empty({n_positions, rope.d_head / 2}, at::kFloat),
                   sin = at::empty_like(cos);
  fill_rotary(positions, rope, cos.data_ptr<float>(), sin.data_ptr<float>());
  return {cos.to(device), sin.to(device)};
}

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// The CPU's fused kernels: rotation, scores, softmax and sum in one pass; keeps qkv, the output and
// a number a row.
struct FusedAttention : Function<FusedAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv,
                            const AttentionShape& shape) {
    const auto* kernels = fused_kernels(qkv);
    const at::Tensor out = at::empty({shape.B * shape.T, shape.H * shape.E}, qkv.options());
    const at::Tensor lse = at::empty({shape.B, shape.H, shape.T}, qkv.options().dtype(at::kFloat));
    const AttentionForward run{shape, qkv.data_ptr(), out.data_ptr(), f32_data(lse)};
    const i64 scratch_bytes = kernels->attention_forward_scratch_bytes(shape);
    for_ranges(shape.B * shape.K, 1, [&](i64 begin, i64 end) {
      const at::Tensor scratch = at::empty({scratch_bytes}, at::kByte);
      kernels->attention_forward(run, begin, end, scratch.data_ptr());
    });
    ctx->save_for_backward({qkv, out, lse});
    ctx->saved_data["shape"] = std::vector<i64>{shape.B, shape.T, shape.H, shape.K, shape.E};
    ctx->saved_data["cos"] = reinterpret_cast<i64>(shape.cos);
    ctx->saved_data["sin"] = reinterpret_cast<i64>(shape.sin);
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto d = ctx->saved_data["shape"].toIntVector();
    const AttentionShape shape{d[0],
                               d[1],
                               d[2],
                               d[3],
                               d[4],
                               score_scale(d[4]),
                               reinterpret_cast<const float*>(ctx->saved_data["cos"].toInt()),
                               reinterpret_cast<const float*>(ctx->saved_data["sin"].toInt())};
    const auto* kernels = fused_kernels(saved[0]);
    const at::Tensor dout = grads[0].contiguous();
    const at::Tensor dqkv = at::empty_like(saved[0]);
    const AttentionBackward run{
        shape,           saved[0].data_ptr(), saved[1].data_ptr(), f32_data(saved[2]),
        dout.data_ptr(), dqkv.data_ptr()};
    const i64 scratch_bytes = kernels->attention_backward_scratch_bytes(shape);
    for_ranges(shape.B * shape.K, 1, [&](i64 begin, i64 end) {
      const at::Tensor scratch = at::empty({scratch_bytes}, at::kByte);
      kernels->attention_backward(run, begin, end, scratch.data_ptr());
    });
    return {dqkv, {}};
  }
  static float score_scale(i64 d_head) {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(d_head)));
  }
};

// Rotate-half: element i pairs with i + E/2. x (B, H, T, E).
at::Tensor rotated(const at::Tensor& x, const RopeTables& rope) {
  const i64 half = x.size(3) / 2, n = x.size(2);
  const at::Tensor cos = rope.cos.narrow(0, 0, n), sin = rope.sin.narrow(0, 0, n);
  const at::Tensor a = x.narrow(3, 0, half).to(at::kFloat),
                   b = x.narrow(3, half, half).to(at::kFloat);
  return at::cat({a * cos - b * sin, b * cos + a * sin}, 3).to(x.scalar_type());
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& qkv, i64 n_sequences, const BlockSpec& block,
                            const RopeTables* rope) {
  const i64 B = n_sequences, T = qkv.size(0) / B;
  const i64 H = block.n_heads, K = block.n_kv_heads, E = block.d_head;
  if (fused_kernels(qkv) && E % 2 == 0 && E <= 256) {
    return FusedAttention::apply(
        qkv.contiguous(),
        AttentionShape{B, T, H, K, E, FusedAttention::score_scale(E),
                       rope ? f32_data(rope->cos) : nullptr, rope ? f32_data(rope->sin) : nullptr});
  }
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
  const at::Tensor out = at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true,
                                                          1.0 / std::sqrt(static_cast<double>(E)));
  return out.transpose(1, 2).reshape({B * T, H * E});
}

}  // namespace lathe::train
