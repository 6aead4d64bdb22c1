#include "train/nn/guided_linear.h"

#include "train/nn/products.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// y += scale · W x in place, in the product itself: no pass over y of its own.
struct AddProductFunction : Function<AddProductFunction> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor y, const at::Tensor& x,
                            Parameter* weight, double scale) {
    ctx->save_for_backward({x});
    ctx->saved_data["weight"] = reinterpret_cast<i64>(weight);
    ctx->saved_data["scale"] = scale;
    add_multiplied(y, x, weight->compute.t(), scale);
    ctx->mark_dirty({y});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto* weight = reinterpret_cast<Parameter*>(ctx->saved_data["weight"].toInt());
    const double scale = ctx->saved_data["scale"].toDouble();
    const at::Tensor x = ctx->get_saved_variables()[0];
    const at::Tensor dy = grads[0].contiguous();
    add_weight_gradient(*weight, dy, x, scale);
    return {dy, product(dy, weight->compute, scale), {}, {}};
  }
};

}  // namespace

GuidedLinear::GuidedLinear(const LinearSpec& spec, const std::string& part, Parameters& parameters,
                           Guidance* guidance, LinearObserver* observer)
    : part_(part), structured_(spec, part, parameters) {
  if (observer && observer->observes(part)) observer_ = observer;
  if (!guidance) return;
  index_ = guidance->index_of(part);
  if (index_ < 0) return;
  guidance_ = guidance;
  guide_ = &guidance->parameters.list()[static_cast<size_t>(index_)];
  dense_ = Linear(*guide_, structured_.bias());
}

at::Tensor GuidedLinear::forward(const at::Tensor& x) const {
  if (!observer_) return mixed(x);
  observer_->input(part_, x.detach());
  const at::Tensor y = mixed(x);
  if (y.requires_grad()) {
    y.register_hook([observer = observer_, part = part_](const at::Tensor& dy) {
      observer->output_gradient(part, dy);
    });
  }
  return y;
}

at::Tensor GuidedLinear::mixed(const at::Tensor& x) const {
  if (!guidance_) return structured_.forward(x);
  const Mix mix = guidance_->mix(index_);
  if (mix.structured == 0) return dense_.forward(x, mix.dense);
  const at::Tensor y = structured_.forward(x, mix.structured);
  if (mix.dense == 0) return y;
  return AddProductFunction::apply(y, x, guide_, mix.dense);
}

}  // namespace lathe::train
