#include "train/nn/linear.h"

#include "train/nn/fused.h"
#include "train/nn/products.h"
#include "train/nn/shuffle.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

void add_product(at::Tensor& grad, const at::Tensor& a, const at::Tensor& b, double scale) {
  add_multiplied(grad, a.transpose(-1, -2), b, scale);
}

void add_weight_gradient(Parameter& weight, const at::Tensor& a, const at::Tensor& b,
                         double scale) {
  if (!weight.frozen) add_product(weight.grad, a, b, scale);
}

namespace {

// The gradient of a bias, where one is wanted; else null.
at::Tensor* bias_gradient(Parameter* bias) { return bias && !bias->frozen ? &bias->grad : nullptr; }

struct DenseFunction : Function<DenseFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, Parameter* weight,
                            Parameter* bias, double scale) {
    ctx->save_for_backward({x});
    ctx->saved_data["weight"] = reinterpret_cast<i64>(weight);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    ctx->saved_data["scale"] = scale;
    return linear_product(x, weight->compute, bias ? bias->compute : at::Tensor(), scale);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto* weight = reinterpret_cast<Parameter*>(ctx->saved_data["weight"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor x = ctx->get_saved_variables()[0];
    const at::Tensor dy = grads[0].contiguous();
    add_weight_gradient(*weight, dy, x, scale);
    if (at::Tensor* sum = bias_gradient(bias)) add_column_sum(*sum, dy);
    return {product(dy, weight->compute, scale), {}, {}, {}};
  }
};

// The slices of x (N, blocks · C) as (blocks, N, C), in place.
at::Tensor slices(const at::Tensor& x, i64 blocks) {
  return x.view({x.size(0), blocks, x.size(1) / blocks}).transpose(0, 1);
}

// The two-factor product of model/linear_spec.h. x (N, in), y (N, out); what is between the factors
// is as the second one takes it: z (N, inner), or with several blocks dealt out, (u_blocks, N,
// u_in). Slices of x and of the inner vector are products' operands where they lie.
struct TwoFactorFunction : Function<TwoFactorFunction> {
  static at::Tensor first(const at::Tensor& x, const at::Tensor& v, const TwoFactor& f) {
    at::Tensor z;
    if (f.v_blocks == 1) {
      z = product(x, v.t());
    } else {
      z = at::empty({x.size(0), f.inner()}, x.options());
      multiply(slices(z, f.v_blocks), slices(x, f.v_blocks), v.transpose(1, 2));
    }
    return f.u_blocks == 1 ? z : shuffle_columns(z, f.u_blocks);
  }

  static at::Tensor second(const at::Tensor& z, const at::Tensor& u, const at::Tensor& bias,
                           double scale, const TwoFactor& f) {
    if (f.u_blocks == 1) return linear_product(z, u, bias, scale);
    const at::Tensor y = at::empty({f.u_blocks, z.size(1), f.u_out}, z.options());
    multiply(y, z, u.transpose(1, 2), scale);
    return unshuffle_columns(y, bias);
  }

  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const LinearSpec& spec,
                            Parameter* v, Parameter* u, Parameter* bias, double scale) {
    const TwoFactor f = *two_factor(spec);
    const at::Tensor z = first(x, v->compute, f);
    ctx->save_for_backward({x, z});
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["shapes"] =
        std::vector<i64>{f.v_blocks, f.v_out, f.v_in, f.u_blocks, f.u_out, f.u_in};
    ctx->saved_data["v"] = reinterpret_cast<i64>(v);
    ctx->saved_data["u"] = reinterpret_cast<i64>(u);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    return second(z, u->compute, bias ? bias->compute : at::Tensor(), scale, f);
  }

  // dy → the gradient of the inner vector (N, inner), adding those of u and the bias.
  static at::Tensor second_backward(const at::Tensor& dy, const at::Tensor& z, Parameter& u,
                                    Parameter* bias, double scale, const TwoFactor& f) {
    if (f.u_blocks == 1) {
      if (at::Tensor* sum = bias_gradient(bias)) add_column_sum(*sum, dy);
      add_weight_gradient(u, dy, z, scale);
      return product(dy, u.compute, scale);
    }
    const at::Tensor dealt = shuffle_columns(dy, f.u_blocks, bias_gradient(bias));
    add_weight_gradient(u, dealt, z, scale);
    const at::Tensor dz = at::empty_like(z);
    multiply(dz, dealt, u.compute, scale);
    return unshuffle_columns(dz);
  }

  // dz → dx, adding the gradient of v.
  static at::Tensor first_backward(const at::Tensor& dz, const at::Tensor& x, Parameter& v,
                                   const TwoFactor& f) {
    if (f.v_blocks == 1) {
      add_weight_gradient(v, dz, x);
      return product(dz, v.compute);
    }
    const at::Tensor parts = slices(dz, f.v_blocks);
    add_weight_gradient(v, parts, slices(x, f.v_blocks));
    const at::Tensor dx = at::empty_like(x, at::MemoryFormat::Contiguous);
    multiply(slices(dx, f.v_blocks), parts, v.compute);
    return dx;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto d = ctx->saved_data["shapes"].toIntVector();
    const TwoFactor f = {d[0], d[1], d[2], d[3], d[4], d[5]};
    auto* v = reinterpret_cast<Parameter*>(ctx->saved_data["v"].toInt());
    auto* u = reinterpret_cast<Parameter*>(ctx->saved_data["u"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    const at::Tensor dz = second_backward(grads[0].contiguous(), saved[1], *u, bias,
                                          ctx->saved_data["scale"].toDouble(), f);
    return {first_backward(dz, saved[0], *v, f), {}, {}, {}, {}, {}};
  }
};

}  // namespace

Linear::Linear(const LinearSpec& spec, const std::string& part, Parameters& parameters)
    : spec_(spec), bias_(parameters.find(tensor_name(part, "bias"))) {
  for (const Factor& factor : factors(spec)) {
    weights_.push_back(&parameters.get(tensor_name(part, factor.name)));
  }
}

Linear::Linear(Parameter& weight, Parameter* bias) : weights_{&weight}, bias_(bias) {
  spec_.out = weight.info.shape[0];
  spec_.in = weight.info.shape[1];
  spec_.bias = bias != nullptr;
}

at::Tensor Linear::forward(const at::Tensor& x, double scale) const {
  switch (form_of(spec_)) {
    case LinearForm::kDense:
      break;
    case LinearForm::kTwoFactor:
      return TwoFactorFunction::apply(x, spec_, weights_[0], weights_[1], bias_, scale);
  }
  return DenseFunction::apply(x, weights_[0], bias_, scale);
}

at::Tensor merged_product(const LinearSpec& spec, const at::Tensor& v, const at::Tensor& u) {
  const TwoFactor f = *two_factor(spec);
  const at::Tensor z = TwoFactorFunction::first(at::eye(spec.in, v.options()), v, f);
  return TwoFactorFunction::second(z, u, {}, 1, f).t().contiguous();
}

}  // namespace lathe::train
