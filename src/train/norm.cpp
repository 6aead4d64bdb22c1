#include "train/norm.h"

#include "train/fused.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// LayerNorm: (x − mean) · rstd · w + b; RMSNorm: the same with mean = 0 and no b, where
// rstd = 1/√(mean((x − mean)²) + eps). All in f32.
struct NormFunction : Function<NormFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x,
                               const std::optional<at::Tensor>& delta, Parameter* weight,
                               Parameter* bias, bool centred, double eps, at::ScalarType compute) {
    at::Tensor sum, y, mean, rstd;
    if (fused_kernels(weight->compute)) {
      std::tie(sum, y, mean, rstd) = fused(x, delta, *weight, bias, centred, eps);
    } else {
      sum = delta ? x + *delta : x;
    }
    if (!y.defined() && centred) {
      std::tie(y, mean, rstd) = at::native_layer_norm(
          sum, {sum.size(1)}, weight->value, bias ? std::optional(bias->value) : std::nullopt, eps);
    } else if (!y.defined()) {
      rstd = sum.square().mean(1, true).add_(eps).rsqrt_();
      y = (sum * rstd).mul_(weight->value);
    }
    ctx->save_for_backward({sum, mean, rstd});
    ctx->saved_data["weight"] = reinterpret_cast<i64>(weight);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    ctx->saved_data["has_delta"] = delta.has_value();
    return {delta ? sum : sum.view_as(sum), y.to(compute)};
  }

  // {x + delta, y, mean, rstd} by the CPU's kernels.
  static std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fused(
      const at::Tensor& x, const std::optional<at::Tensor>& delta, const Parameter& weight,
      const Parameter* bias, bool centred, double eps) {
    const i64 n = x.size(0), D = x.size(1);
    const at::Tensor in = x.contiguous();
    const at::Tensor sum = delta ? at::empty_like(in) : in;
    const at::Tensor y = at::empty({n, D}, weight.compute.options());
    const at::Tensor mean = centred ? at::empty({n}, in.options()) : at::Tensor();
    const at::Tensor rstd = at::empty({n}, in.options());
    const at::Tensor add = delta ? delta->contiguous() : at::Tensor();
    NormForward run;
    run.D = D;
    run.eps = static_cast<float>(eps);
    run.rms = !centred;
    run.x = f32_data(in);
    run.delta = delta ? bf16_data(add) : nullptr;
    run.x_out = delta ? f32_data(sum) : nullptr;
    run.w = f32_data(weight.value);
    run.b = bias ? f32_data(bias->value) : nullptr;
    run.y = bf16_data(y);
    run.mean = centred ? f32_data(mean) : nullptr;
    run.rstd = f32_data(rstd);
    const auto* kernels = fused_kernels(y);
    for_ranges(n, 16, [&](i64 begin, i64 end) { kernels->norm_forward(run, begin, end); });
    return {sum, y, mean, rstd};
  }

  // {dx, ddelta}.
  static std::pair<at::Tensor, at::Tensor> fused_backward(const variable_list& grads,
                                                          const at::Tensor& sum,
                                                          const at::Tensor& mean,
                                                          const at::Tensor& rstd, Parameter& weight,
                                                          Parameter* bias, bool has_delta) {
    const i64 n = sum.size(0), D = sum.size(1);
    const at::Tensor dy = grads[1].contiguous();
    const at::Tensor dres = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    const at::Tensor dx = at::empty_like(sum);
    const at::Tensor ddelta = has_delta ? at::empty_like(dy) : at::Tensor();
    NormBackward run;
    run.D = D;
    run.rms = !mean.defined();
    run.dy = bf16_data(dy);
    run.x = f32_data(sum);
    run.mean = mean.defined() ? f32_data(mean) : nullptr;
    run.rstd = f32_data(rstd);
    run.w = f32_data(weight.value);
    run.dres = dres.defined() ? f32_data(dres) : nullptr;
    run.dx = f32_data(dx);
    run.dx_bf16 = has_delta ? bf16_data(ddelta) : nullptr;
    const auto* kernels = fused_kernels(dy);
    const at::Tensor sums = at::zeros({2 * D}, sum.options());
    sum_ranges(n, 16, 2 * D, sums, [&](i64 begin, i64 end, float* partial) {
      NormBackward part = run;
      part.dw = partial;
      part.db = bias ? partial + D : nullptr;
      kernels->norm_backward(part, begin, end);
    });
    weight.grad.add_(sums.narrow(0, 0, D));
    if (bias) bias->grad.add_(sums.narrow(0, D, D));
    return {dx, ddelta};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &sum = saved[0], &mean = saved[1], &rstd = saved[2];
    auto* weight = reinterpret_cast<Parameter*>(ctx->saved_data["weight"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    const bool has_delta = ctx->saved_data["has_delta"].toBool();
    if (grads[1].defined() && fused_kernels(weight->compute)) {
      auto [dx, ddelta] = fused_backward(grads, sum, mean, rstd, *weight, bias, has_delta);
      return {dx, ddelta, {}, {}, {}, {}, {}};
    }
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
    const at::Tensor ddelta = has_delta ? dx.to(weight->compute.scalar_type()) : at::Tensor();
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
  auto out = NormFunction::apply(x, if_defined(delta), weight_, bias_,
                                 spec_.kind == NormKind::kLayerNorm, spec_.eps, compute_dtype_);
  return {out[0], out[1]};
}

}  // namespace lathe::train
