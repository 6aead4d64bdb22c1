#include "train/nn/activation.h"

#include <algorithm>

#include "train/nn/fused.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// Rows a thread at least, for some 16,000 elements.
i64 grain(i64 width) { return std::max<i64>(1, (1 << 14) / width); }

// The CPU's kernels; keeps the input alone.
struct FusedActivation : Function<FusedActivation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& u, Activation activation) {
    const TrainActivation& kernel = train_activation(*fused_kernels(u), name_of(activation));
    ctx->save_for_backward({u});
    ctx->saved_data["kernel"] = reinterpret_cast<i64>(&kernel);
    const i64 F = is_gated(activation) ? u.size(1) / 2 : u.size(1);
    const at::Tensor y = at::empty({u.size(0), F}, u.options());
    for_ranges(u.size(0), grain(F), [&](i64 begin, i64 end) {
      kernel.forward(u.data_ptr(), y.data_ptr(), F, begin, end);
    });
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor u = ctx->get_saved_variables()[0];
    const auto& kernel =
        *reinterpret_cast<const TrainActivation*>(ctx->saved_data["kernel"].toInt());
    const at::Tensor dy = grads[0].contiguous(), du = at::empty_like(u);
    const i64 F = dy.size(1);
    for_ranges(u.size(0), grain(F), [&](i64 begin, i64 end) {
      kernel.backward(u.data_ptr(), dy.data_ptr(), du.data_ptr(), F, begin, end);
    });
    return {du, {}};
  }
};

}  // namespace

at::Tensor activate(const at::Tensor& u, Activation activation) {
  if (fused_kernels(u)) return FusedActivation::apply(u, activation);
  switch (activation) {
    case Activation::kGeluTanh:
      return at::gelu(u, "tanh");
    case Activation::kGelu:
      return at::gelu(u);
    case Activation::kSwiglu: {
      const auto halves = u.chunk(2, 1);
      return at::silu(halves[0]) * halves[1];
    }
  }
  return u;
}

}  // namespace lathe::train
