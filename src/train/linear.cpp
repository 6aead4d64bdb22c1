#include "train/linear.h"

#include "train/fused.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

void add_product(at::Tensor& grad, const at::Tensor& a, const at::Tensor& b, double scale) {
  if (a.scalar_type() == at::kFloat) {
    grad.addmm_(a.t(), b, 1, scale);
  } else {
    add_to(grad, at::mm(a.t(), b), scale);
  }
}

void add_to(at::Tensor& grad, const at::Tensor& x, double scale) {
  const auto* kernels = fused_kernels(x);
  if (!kernels || !x.is_contiguous()) {
    grad.add_(x, scale);
    return;
  }
  for_ranges(x.numel(), 1 << 15, [&](i64 begin, i64 end) {
    kernels->add_bf16(bf16_data(x), static_cast<float>(scale), f32_data(grad), begin, end);
  });
}

void add_column_sum(at::Tensor& grad, const at::Tensor& a) {
  const auto* kernels = fused_kernels(a);
  if (!kernels || !a.is_contiguous()) {
    grad.add_(at::sum(a, {0}, false, at::kFloat));
    return;
  }
  sum_ranges(a.size(0), 64, a.size(1), grad, [&](i64 begin, i64 end, float* partial) {
    kernels->add_column_sums(bf16_data(a), a.size(1), partial, begin, end);
  });
}

namespace {

// A scale goes onto the weights, which are smaller than what they are multiplied with.
at::Tensor scaled(const at::Tensor& weights, double scale) {
  return scale == 1 ? weights : weights * scale;
}

struct DenseFunction : Function<DenseFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, Parameter* weight,
                            Parameter* bias, double scale) {
    ctx->save_for_backward({x});
    ctx->saved_data["weight"] = reinterpret_cast<i64>(weight);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    ctx->saved_data["scale"] = scale;
    return at::linear(x, scaled(weight->compute, scale), bias ? bias->compute : at::Tensor());
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto* weight = reinterpret_cast<Parameter*>(ctx->saved_data["weight"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor x = ctx->get_saved_variables()[0];
    const at::Tensor dy = grads[0].contiguous();
    add_product(weight->grad, dy, x, scale);
    if (bias) add_column_sum(bias->grad, dy);
    return {at::mm(dy, scaled(weight->compute, scale)), {}, {}, {}};
  }
};

// A block-diagonal product: in (N, blocks, cols) · w (blocks, rows, cols)ᵀ → (blocks, N, rows).
at::Tensor block_product(const at::Tensor& in, const at::Tensor& w) {
  return at::bmm(in.transpose(0, 1), w.transpose(1, 2));
}

// The two-factor product of core/linear_spec.h. Shapes: x (N, in), z (N, inner), y (N, out); k, q,
// p and l, s, r as there.
struct TwoFactorFunction : Function<TwoFactorFunction> {
  struct Shapes {
    i64 n, k, q, p, l, s, r;
  };
  static Shapes shapes(const at::Tensor& x, const TwoFactor& f) {
    return {x.size(0), f.v_blocks, f.v_out, f.v_in, f.u_blocks, f.u_out, f.u_in};
  }

  static at::Tensor first(const at::Tensor& x, const at::Tensor& v, const Shapes& c) {
    if (c.k == 1) return at::linear(x, v);
    return block_product(x.view({c.n, c.k, c.p}), v).transpose(0, 1).reshape({c.n, c.k * c.q});
  }
  // Group l of z: every l-th element, as (l, n, r).
  static at::Tensor dealt(const at::Tensor& z, const Shapes& c) {
    return z.view({c.n, c.r, c.l}).permute({2, 0, 1}).contiguous();
  }
  // Undoes the interleaving of y: (n, s·l) → (l, n, s).
  static at::Tensor parted(const at::Tensor& y, const Shapes& c) {
    return y.view({c.n, c.s, c.l}).permute({2, 0, 1}).contiguous();
  }

  // u z + b of z (N, inner).
  static at::Tensor second(const at::Tensor& z, const at::Tensor& u, const at::Tensor& bias,
                           const Shapes& c) {
    if (c.l == 1) return at::linear(z, u, bias);
    const at::Tensor y =
        at::bmm(dealt(z, c), u.transpose(1, 2)).permute({1, 2, 0}).reshape({c.n, c.s * c.l});
    return bias.defined() ? y.add_(bias) : y;
  }

  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const LinearSpec& spec,
                            Parameter* v, Parameter* u, Parameter* bias, double scale) {
    const TwoFactor f = *two_factor(spec);
    const Shapes c = shapes(x, f);
    const at::Tensor z = first(x, v->compute, c);
    ctx->save_for_backward({x, z});
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["spec"] =
        std::vector<i64>{f.v_blocks, f.v_out, f.v_in, f.u_blocks, f.u_out, f.u_in};
    ctx->saved_data["v"] = reinterpret_cast<i64>(v);
    ctx->saved_data["u"] = reinterpret_cast<i64>(u);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    return second(z, scaled(u->compute, scale), bias ? bias->compute : at::Tensor(), c);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &z = saved[1];
    const auto d = ctx->saved_data["spec"].toIntVector();
    const Shapes c = {x.size(0), d[0], d[1], d[2], d[3], d[4], d[5]};
    auto* v = reinterpret_cast<Parameter*>(ctx->saved_data["v"].toInt());
    auto* u = reinterpret_cast<Parameter*>(ctx->saved_data["u"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor dy = grads[0].contiguous(), scaled_u = scaled(u->compute, scale);
    if (bias) add_column_sum(bias->grad, dy);

    at::Tensor dz;
    if (c.l == 1) {
      add_product(u->grad, dy, z, scale);
      dz = at::mm(dy, scaled_u);
    } else {
      const at::Tensor dy_l = parted(dy, c);  // (l, n, s)
      add_to(u->grad, at::bmm(dy_l.transpose(1, 2), dealt(z, c)), scale);
      dz = at::bmm(dy_l, scaled_u).permute({1, 2, 0}).reshape({c.n, c.r * c.l});
    }
    if (c.k == 1) {
      add_product(v->grad, dz, x);
      return {at::mm(dz, v->compute), {}, {}, {}, {}, {}};
    }
    const at::Tensor dz_k = dz.view({c.n, c.k, c.q}).transpose(0, 1);  // (k, n, q)
    const at::Tensor x_k = x.view({c.n, c.k, c.p}).transpose(0, 1);
    add_to(v->grad, at::bmm(dz_k.transpose(1, 2), x_k));
    const at::Tensor dx = at::bmm(dz_k, v->compute).transpose(0, 1).reshape({c.n, c.k * c.p});
    return {dx, {}, {}, {}, {}, {}};
  }
};

}  // namespace

Linear::Linear(const LinearSpec& spec, const std::string& part, Parameters& parameters)
    : spec_(spec), bias_(parameters.find(tensor_name(part, "bias"))) {
  const auto list = factors(spec);
  for (size_t i = 0; i < list.size(); ++i) {
    weights_[i] = &parameters.get(tensor_name(part, list[i].name));
  }
}

Linear::Linear(Parameter& weight, Parameter* bias) : weights_{&weight, nullptr}, bias_(bias) {
  spec_.out = weight.info.shape[0];
  spec_.in = weight.info.shape[1];
  spec_.bias = bias != nullptr;
}

at::Tensor Linear::forward(const at::Tensor& x, double scale) const {
  if (!weights_[1]) return DenseFunction::apply(x, weights_[0], bias_, scale);
  return TwoFactorFunction::apply(x, spec_, weights_[0], weights_[1], bias_, scale);
}

at::Tensor merged_product(const LinearSpec& spec, const at::Tensor& v, const at::Tensor& u) {
  const at::Tensor identity = at::eye(spec.in, v.options());
  const TwoFactorFunction::Shapes c = TwoFactorFunction::shapes(identity, *two_factor(spec));
  const at::Tensor columns =
      TwoFactorFunction::second(TwoFactorFunction::first(identity, v, c), u, {}, c);
  return columns.t().contiguous();
}

}  // namespace lathe::train
