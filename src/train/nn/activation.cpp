#include "train/nn/activation.h"

#include "train/nn/fused.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

constexpr i64 kGrain = 1 << 14;  // elements a thread at least

// The CPU's kernels; keeps the input alone.
struct FusedActivation : Function<FusedActivation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& u, Activation activation) {
    ctx->save_for_backward({u});
    ctx->saved_data["activation"] = static_cast<i64>(activation);
    const auto* kernels = fused_kernels(u);
    const bool gated = activation == Activation::kSwiglu;
    const i64 F = gated ? u.size(1) / 2 : u.size(1);
    const at::Tensor y = at::empty({u.size(0), F}, u.options());
    if (gated) {
      for_ranges(u.size(0), 16, [&](i64 begin, i64 end) {
        kernels->swiglu(u.data_ptr(), y.data_ptr(), F, begin, end);
      });
      return y;
    }
    const auto run = activation == Activation::kGelu ? kernels->gelu : kernels->gelu_tanh;
    for_ranges(u.numel(), kGrain,
               [&](i64 begin, i64 end) { run(u.data_ptr(), y.data_ptr(), begin, end); });
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor u = ctx->get_saved_variables()[0];
    const auto activation = static_cast<Activation>(ctx->saved_data["activation"].toInt());
    const auto* kernels = fused_kernels(u);
    const at::Tensor dy = grads[0].contiguous(), du = at::empty_like(u);
    if (activation == Activation::kSwiglu) {
      for_ranges(u.size(0), 16, [&](i64 begin, i64 end) {
        kernels->swiglu_backward(u.data_ptr(), dy.data_ptr(), du.data_ptr(), dy.size(1), begin,
                                 end);
      });
      return {du, {}};
    }
    const auto run =
        activation == Activation::kGelu ? kernels->gelu_backward : kernels->gelu_tanh_backward;
    for_ranges(u.numel(), kGrain, [&](i64 begin, i64 end) {
      run(u.data_ptr(), dy.data_ptr(), du.data_ptr(), begin, end);
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
