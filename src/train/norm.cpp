#include "train/norm.h"

namespace lathe {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// LayerNorm: (x − mean) · rstd · w + b; RMSNorm: the same with mean = 0 and no b, where
// rstd = 1/√(mean((x − mean)²) + eps). All in f32.
struct NormFunction : Function<NormFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x,
                               const std::optional<at::Tensor>& delta, Parameter* weight, Parameter* bias, bool centred, double eps,
                               at::ScalarType compute) {
    const at::Tensor sum = delta ? x + *delta : x;
    at::Tensor y, mean, rstd;
    if (centred) {
      std::tie(y, mean, rstd) =
          at::native_layer_norm(sum, {sum.size(1)}, weight->value,
                                bias ? std::optional(bias->value) : std::nullopt, eps);
    } else {
      rstd = sum.square().mean(1, true).add_(eps).rsqrt_();
      y = (sum * rstd).mul_(weight->value);
    }
    ctx->save_for_backward({sum, mean, rstd});
    ctx->saved_data["weight"] = reinterpret_cast<i64>(weight);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    ctx->saved_data["has_delta"] = delta.has_value();
    return {delta ? sum : sum.view_as(sum), y.to(compute)};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &sum = saved[0], &mean = saved[1], &rstd = saved[2];
    auto* weight = reinterpret_cast<Parameter*>(ctx->saved_data["weight"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    at::Tensor dx;
    if (grads[1].defined()) {
      const at::Tensor dy = grads[1].to(at::kFloat);
      const at::Tensor normed = mean.defined() ? (sum - mean) * rstd : sum * rstd;
      weight->grad.add_((dy * normed).sum(0));
      if (bias) bias->grad.add_(dy.sum(0));
      const at::Tensor g = dy * weight->value;
      // d/dx of (x − mean)·rstd: rstd·(g − mean(g) − normed·mean(g·normed)).
      at::Tensor inner = g - normed * (g * normed).mean(1, true);
      if (mean.defined()) inner = inner - g.mean(1, true);
      dx = inner * rstd;
      if (grads[0].defined()) dx = dx + grads[0];
    } else {
      dx = grads[0];
    }
    const bool has_delta = ctx->saved_data["has_delta"].toBool();
    const at::Tensor ddelta =
        has_delta ? dx.to(weight->compute.scalar_type()) : at::Tensor();
    return {dx, ddelta, {}, {}, {}, {}, {}};
  }
};

}  // namespace

std::optional<at::Tensor> if_defined(const at::Tensor& t) {
  return t.defined() ? std::optional(t) : std::nullopt;
}

Norm::Norm(const NormSpec& spec, const std::string& part, Parameters& parameters)
    : spec_(spec),
      weight_(&parameters.get(tensor_name(part, "weight"))),
      bias_(parameters.find(tensor_name(part, "bias"))),
      compute_dtype_(parameters.compute_dtype) {}

std::pair<at::Tensor, at::Tensor> Norm::forward(const at::Tensor& x,
                                                const at::Tensor& delta) const {
  auto out = NormFunction::apply(x, if_defined(delta), weight_, bias_, spec_.kind == NormKind::kLayerNorm,
                                 spec_.eps, compute_dtype_);
  return {out[0], out[1]};
}

}  // namespace lathe
