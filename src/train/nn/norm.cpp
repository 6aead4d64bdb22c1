#include "train/nn/norm.h"

#include "train/nn/fused.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// Both functions below: x (N, D) f32, delta (N, D) in the compute dtype or absent → {x + delta, its
// norm in the compute dtype}. LayerNorm: (x − mean) · rstd · w + b; RMSNorm: the same with mean = 0
// and no b; rstd = 1/√(mean((x − mean)²) + eps). All in f32.
struct NormArguments {
  Parameter* weight;
  Parameter* bias;  // or null
  NormKind kind;
  double eps;
};

// What a backward needs beside the saved tensors.
void remember(AutogradContext* ctx, const NormArguments& n, bool has_delta) {
  ctx->saved_data["weight"] = reinterpret_cast<i64>(n.weight);
  ctx->saved_data["bias"] = reinterpret_cast<i64>(n.bias);
  ctx->saved_data["kind"] = static_cast<i64>(n.kind);
  ctx->saved_data["has_delta"] = has_delta;
}
Parameter* remembered(AutogradContext* ctx, const char* name) {
  return reinterpret_cast<Parameter*>(ctx->saved_data[name].toInt());
}

// The CPU's kernels: one pass over the rows each way.
struct FusedNorm : Function<FusedNorm> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x,
                               const std::optional<at::Tensor>& delta, const NormArguments& n) {
    const i64 N = x.size(0), D = x.size(1);
    const at::Tensor in = x.contiguous();
    const at::Tensor sum = delta ? at::empty_like(in) : in;
    const at::Tensor y = at::empty({N, D}, n.weight->compute.options());
    const at::Tensor mean = is_centred(n.kind) ? at::empty({N}, in.options()) : at::Tensor();
    const at::Tensor rstd = at::empty({N}, in.options());
    const at::Tensor add = delta ? delta->contiguous() : at::Tensor();
    NormForward run;
    run.D = D;
    run.eps = static_cast<float>(n.eps);
    run.x = f32_data(in);
    run.delta = delta ? add.data_ptr() : nullptr;
    run.x_out = delta ? f32_data(sum) : nullptr;
    run.w = f32_data(n.weight->value);
    run.b = n.bias ? f32_data(n.bias->value) : nullptr;
    run.y = y.data_ptr();
    run.mean = mean.defined() ? f32_data(mean) : nullptr;
    run.rstd = f32_data(rstd);
    const TrainNorm& kernel = train_norm(*fused_kernels(y), name_of(n.kind));
    for_ranges(N, 16, [&](i64 begin, i64 end) { kernel.forward(run, begin, end); });
    ctx->save_for_backward({sum, mean, rstd});
    ctx->saved_data["kernel"] = reinterpret_cast<i64>(&kernel);
    remember(ctx, n, delta.has_value());
    return {delta ? sum : sum.view_as(sum), y};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &sum = saved[0], &mean = saved[1], &rstd = saved[2];
    Parameter *weight = remembered(ctx, "weight"), *bias = remembered(ctx, "bias");
    const bool has_delta = ctx->saved_data["has_delta"].toBool();
    if (!grads[1].defined()) {  // only the sum was used
      const at::Tensor ddelta =
          has_delta ? grads[0].to(weight->compute.scalar_type()) : at::Tensor();
      return {grads[0], ddelta, {}};
    }
    const i64 N = sum.size(0), D = sum.size(1);
    const at::Tensor dy = grads[1].contiguous();
    const at::Tensor dres = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    const at::Tensor dx = at::empty_like(sum);
    // In f32 the gradient of delta is that of x.
    const bool narrow = has_delta && dy.scalar_type() != at::kFloat;
    const at::Tensor ddelta = narrow ? at::empty_like(dy) : has_delta ? dx : at::Tensor();
    NormBackward run;
    run.D = D;
    run.dy = dy.data_ptr();
    run.x = f32_data(sum);
    run.mean = mean.defined() ? f32_data(mean) : nullptr;
    run.rstd = f32_data(rstd);
    run.w = f32_data(weight->value);
    run.dres = dres.defined() ? f32_data(dres) : nullptr;
    run.dx = f32_data(dx);
    run.ddelta = narrow ? ddelta.data_ptr() : nullptr;
    const auto& kernel = *reinterpret_cast<const TrainNorm*>(ctx->saved_data["kernel"].toInt());
    const at::Tensor sums = at::zeros({2 * D}, sum.options());
    sum_ranges(N, 16, 2 * D, sums, [&](i64 begin, i64 end, float* partial) {
      NormBackward part = run;
      part.dw = partial;
      part.db = bias ? partial + D : nullptr;
      kernel.backward(part, begin, end);
    });
    weight->grad.add_(sums.narrow(0, 0, D));
    if (bias) bias->grad.add_(sums.narrow(0, D, D));
    return {dx, ddelta, {}};
  }
};

// LibTorch's operations, on any device and in any precision.
struct PlainNorm : Function<PlainNorm> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x,
                               const std::optional<at::Tensor>& delta, const NormArguments& n) {
    const at::Tensor sum = delta ? x + *delta : x;
    at::Tensor y, mean, rstd;
    switch (n.kind) {
      case NormKind::kLayerNorm:
        std::tie(y, mean, rstd) =
            at::native_layer_norm(sum, {sum.size(1)}, n.weight->value,
                                  n.bias ? std::optional(n.bias->value) : std::nullopt, n.eps);
        break;
      case NormKind::kRmsNorm:
        rstd = sum.square().mean(1, true).add_(n.eps).rsqrt_();
        y = (sum * rstd).mul_(n.weight->value);
        break;
    }
    ctx->save_for_backward({sum, mean, rstd});
    remember(ctx, n, delta.has_value());
    return {delta ? sum : sum.view_as(sum), y.to(n.weight->compute.scalar_type())};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &sum = saved[0], &mean = saved[1], &rstd = saved[2];
    Parameter *weight = remembered(ctx, "weight"), *bias = remembered(ctx, "bias");
    at::Tensor dx = grads[0];
    if (grads[1].defined()) {
      const at::Tensor dy = grads[1].to(at::kFloat);
      const at::Tensor normed = mean.defined() ? (sum - mean) * rstd : sum * rstd;
      weight->grad.add_((dy * normed).sum(0));
      if (bias) bias->grad.add_(dy.sum(0));
      const at::Tensor g = dy * weight->value;
      switch (static_cast<NormKind>(ctx->saved_data["kind"].toInt())) {
        case NormKind::kLayerNorm:
        case NormKind::kRmsNorm: {
          // d/dx of (x − mean)·rstd: rstd·(g − mean(g) − normed·mean(g·normed)).
          at::Tensor inner = g - normed * (g * normed).mean(1, true);
          if (mean.defined()) inner = inner - g.mean(1, true);
          dx = inner * rstd;
          break;
        }
      }
      if (grads[0].defined()) dx = dx + grads[0];
    }
    const bool has_delta = ctx->saved_data["has_delta"].toBool();
    const at::Tensor ddelta = has_delta ? dx.to(weight->compute.scalar_type()) : at::Tensor();
    return {dx, ddelta, {}};
  }
};

}  // namespace

std::optional<at::Tensor> if_defined(const at::Tensor& t) {
  return t.defined() ? std::optional(t) : std::nullopt;
}

Norm::Norm(const NormSpec& spec, const std::string& part, Parameters& parameters)
    : spec_(spec),
      weight_(&parameters.get(tensor_name(part, "weight"))),
      bias_(parameters.find(tensor_name(part, "bias"))) {}

std::pair<at::Tensor, at::Tensor> Norm::forward(const at::Tensor& x,
                                                const at::Tensor& delta) const {
  const NormArguments n{weight_, bias_, spec_.kind, spec_.eps};
  const auto out = fused_kernels(weight_->compute) ? FusedNorm::apply(x, if_defined(delta), n)
                                                   : PlainNorm::apply(x, if_defined(delta), n);
  return {out[0], out[1]};
}

}  // namespace lathe::train
