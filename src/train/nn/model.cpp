#include "train/nn/model.h"

#include <torch/csrc/autograd/autograd.h>

#include "train/nn/activation.h"
#include "train/nn/fused.h"
#include "train/nn/products.h"

namespace lathe::train {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// Adds the rows' gradient to the embedding's; the lookup's weights are no autograd leaves.
struct EmbedFunction : Function<EmbedFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& anchor,
                            const at::Tensor& tokens, Parameter* words, Parameter* positions) {
    (void)anchor;
    ctx->save_for_backward({tokens});
    ctx->saved_data["words"] = reinterpret_cast<i64>(words);
    ctx->saved_data["positions"] = reinterpret_cast<i64>(positions);
    at::Tensor x = at::embedding(words->value, tokens);  // (B, T, D)
    if (positions) x = x + positions->value.narrow(0, 0, tokens.size(1));
    return x.view({-1, words->value.size(1)});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor tokens = ctx->get_saved_variables()[0];
    auto* words = reinterpret_cast<Parameter*>(ctx->saved_data["words"].toInt());
    auto* positions = reinterpret_cast<Parameter*>(ctx->saved_data["positions"].toInt());
    const at::Tensor rows = tokens.view({-1});
    if (words->frozen) {
      // nothing is wanted
    } else if (rows.is_cuda()) {
      words->grad.index_put_({rows}, grads[0], /*accumulate=*/true);  // in a fixed order there
    } else {
      words->grad.index_add_(0, rows, grads[0]);
    }
    if (positions && !positions->frozen) {
      const i64 T = tokens.size(1);
      positions->grad.narrow(0, 0, T).add_(
          grads[0].view({tokens.size(0), T, grads[0].size(1)}).sum(0));
    }
    return {at::zeros({1}, grads[0].options()), {}, {}, {}};
  }
};

// An autograd leaf that stands in for the gate; its gradient goes to Parameter::grad.
struct GateFunction : Function<GateFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& anchor, Parameter* gate) {
    ctx->saved_data["gate"] = reinterpret_cast<i64>(gate);
    return at::cat({gate->value, at::zeros({1}, anchor.options())}).softmax(0);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto* gate = reinterpret_cast<Parameter*>(ctx->saved_data["gate"].toInt());
    const at::Tensor alpha =
        at::cat({gate->value, at::zeros({1}, gate->value.options())}).softmax(0);
    const at::Tensor d = alpha * (grads[0] - (grads[0] * alpha).sum());
    gate->grad.add_(d.narrow(0, 0, gate->value.numel()));
    return {at::zeros({1}, grads[0].options()), {}};
  }
};

// A causal convolution over positions: x (B, T, in) f32 → (B, T, out).
struct CausalConvFunction : Function<CausalConvFunction> {
  // x with kernel - 1 zeros before each sequence, as rows of `kernel` neighbours:
  // (B·T, in·kernel), in's index slow.
  static at::Tensor windows(const at::Tensor& x, i64 kernel) {
    const at::Tensor padded = at::constant_pad_nd(x, {0, 0, kernel - 1, 0});
    return padded.unfold(1, kernel, 1).reshape({x.size(0) * x.size(1), -1});
  }
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, Parameter* weight,
                            Parameter* bias) {
    ctx->save_for_backward({x});
    ctx->saved_data["weight"] = reinterpret_cast<i64>(weight);
    ctx->saved_data["bias"] = reinterpret_cast<i64>(bias);
    const at::Tensor w = weight->compute.view({weight->compute.size(0), -1});
    return linear_product(windows(x, weight->info.shape[2]), w, bias->compute)
        .view({x.size(0), x.size(1), -1});
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor x = ctx->get_saved_variables()[0];
    auto* weight = reinterpret_cast<Parameter*>(ctx->saved_data["weight"].toInt());
    auto* bias = reinterpret_cast<Parameter*>(ctx->saved_data["bias"].toInt());
    const i64 B = x.size(0), T = x.size(1), in = x.size(2), kernel = weight->info.shape[2];
    const at::Tensor w = weight->compute.view({weight->compute.size(0), -1});
    const at::Tensor dy = grads[0].reshape({B * T, -1});
    at::Tensor grad = weight->grad.view({w.size(0), -1});
    add_product(grad, dy, windows(x, kernel));
    add_column_sum(bias->grad, dy);
    // Position t of x went into windows t … t + kernel - 1, at offsets kernel - 1 … 0.
    const at::Tensor dwindows = product(dy, w).view({B, T, in, kernel});
    at::Tensor dx = at::zeros_like(x);
    for (i64 j = 0; j < std::min(kernel, T); ++j) {
      dx.narrow(1, 0, T - j).add_(dwindows.select(3, kernel - 1 - j).narrow(1, j, T - j));
    }
    return {dx, {}, {}};
  }
};

// Runs a block without keeping its insides, and again when the gradient comes (Chen et al., 2016).
struct RecomputeFunction : Function<RecomputeFunction> {
  using Run = std::function<variable_list(const at::Tensor&, const at::Tensor&)>;
  static variable_list forward(AutogradContext* ctx, const at::Tensor& residual,
                               const std::optional<at::Tensor>& delta, const Run* run) {
    const at::Tensor given = delta.value_or(at::Tensor());
    ctx->save_for_backward({residual, given});
    ctx->saved_data["run"] = reinterpret_cast<i64>(run);
    at::NoGradGuard no_grad;
    return (*run)(residual, given);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto* run = reinterpret_cast<const Run*>(ctx->saved_data["run"].toInt());
    at::AutoGradMode with_grad(true);
    const auto leaf = [](const at::Tensor& t) {
      return t.defined() ? t.detach().requires_grad_() : t;
    };
    const at::Tensor residual = leaf(saved[0]), delta = leaf(saved[1]);
    variable_list out = (*run)(residual, delta), roots, root_grads;
    for (size_t i = 0; i < out.size(); ++i) {
      if (!grads[i].defined()) continue;
      roots.push_back(out[i]);
      root_grads.push_back(grads[i]);
    }
    torch::autograd::backward(roots, root_grads);
    return {residual.grad(), delta.defined() ? delta.grad() : at::Tensor(), {}};
  }
};

}  // namespace

Model::Model(const Plan& plan, Parameters& parameters, bool recompute, Guidance* guidance,
             LinearObserver* observer)
    : plan_(plan),
      parameters_(parameters),
      recompute_(recompute),
      guidance_(guidance),
      observer_(observer) {
  for (const BlockSpec* spec : all_blocks(plan)) {
    if (spec->rope && !rope_.contains(spec->d_head)) {
      rope_[spec->d_head] =
          make_rope_tables(plan.spec.context_length, *spec->rope, parameters.flat_value.device());
    }
    blocks_.emplace(spec->layer, make_block(*spec));
  }
  for (const Stage& stage : plan.stages) {
    std::visit(
        Overloaded{
            [&](const ForkStage& s) {
              for (const PathSpec& path : s.paths) {
                entries_.emplace(path.name, Linear(path.entry, path.name + ".entry", parameters));
              }
            },
            [&](const NormStage& s) { final_norm_ = Norm(s.norm, kFinalNorm, parameters); },
            [&](const HeadStage& s) { head_ = &parameters.get(s.tied ? kTokenEmbedding : kHead); },
            [](const EmbedStage&) {},
            [](const BlocksStage&) {},
            [](const ProjectStage&) {},
        },
        stage);
  }
}

Model::Block Model::make_block(const BlockSpec& spec) {
  const auto linear = [&](const BlockLinear& l) {
    return GuidedLinear(*l.spec, l.name, parameters_, guidance_, observer_);
  };
  const auto head_norm = [&](const char* part) {
    return spec.qk_norm
               ? std::optional(Norm(*spec.qk_norm, tensor_name(spec.name, part), parameters_))
               : std::nullopt;
  };
  const auto [qkv, out, up, down] = block_linears(spec);
  return {.spec = &spec,
          .norm_1 = Norm(spec.norm_1, tensor_name(spec.name, kNorm1), parameters_),
          .norm_2 = Norm(spec.norm_2, tensor_name(spec.name, kNorm2), parameters_),
          .q_norm = head_norm(kQNorm),
          .k_norm = head_norm(kKNorm),
          .qkv = linear(qkv),
          .out = linear(out),
          .up = linear(up),
          .down = linear(down),
          .rope = spec.rope ? &rope_.at(spec.d_head) : nullptr};
}

Model::Stream Model::run_block(const Block& block, Stream stream, i64 n_sequences) const {
  at::Tensor h;
  std::tie(stream.residual, h) = block.norm_1.forward(stream.residual, stream.delta);
  h = causal_attention(normed_heads(block, block.qkv.forward(h)), n_sequences, *block.spec,
                       block.rope);
  const at::Tensor attended = block.out.forward(h);
  if (block.spec->parallel) {
    std::tie(stream.residual, h) = block.norm_2.forward(stream.residual, {});
  } else {
    std::tie(stream.residual, h) = block.norm_2.forward(stream.residual, attended);
  }
  h = activate(block.up.forward(h), block.spec->activation);
  stream.delta = block.down.forward(h);
  if (block.spec->parallel) stream.delta = stream.delta + attended;
  return stream;
}

at::Tensor Model::normed_heads(const Block& block, const at::Tensor& qkv) const {
  if (!block.q_norm) return qkv;
  const i64 N = qkv.size(0), H = block.spec->n_heads, K = block.spec->n_kv_heads,
            E = block.spec->d_head;
  const auto normed = [&](const Norm& norm, i64 first, i64 n) {
    const at::Tensor heads = qkv.narrow(1, first * E, n * E).reshape({N * n, E}).to(at::kFloat);
    return norm.forward(heads, {}).second.view({N, n * E});
  };
  return at::cat(
      {normed(*block.q_norm, 0, H), normed(*block.k_norm, H, K), qkv.narrow(1, (H + K) * E, K * E)},
      1);
}

Model::Stream Model::run_recomputed(const Block& block, Stream stream, i64 n_sequences) const {
  auto run = std::make_shared<RecomputeFunction::Run>(
      [this, &block, n_sequences](const at::Tensor& residual, const at::Tensor& delta) {
        const Stream out = run_block(block, {residual, delta}, n_sequences);
        return variable_list{out.residual, out.delta};
      });
  pending_.push_back(run);
  const auto out = RecomputeFunction::apply(stream.residual, if_defined(stream.delta), run.get());
  return {out[0], out[1]};
}

Model::Stream Model::run_blocks(const std::vector<BlockSpec>& blocks, Stream stream,
                                i64 n_sequences) const {
  for (const BlockSpec& spec : blocks) {
    const Block& block = blocks_.at(spec.layer);
    stream = recompute_ && at::GradMode::is_enabled() ? run_recomputed(block, stream, n_sequences)
                                                      : run_block(block, stream, n_sequences);
  }
  return stream;
}

at::Tensor Model::embed(const EmbedStage& stage, const at::Tensor& tokens) const {
  Parameter* words = &parameters_.get(kTokenEmbedding);
  Parameter* positions = stage.learned_positions ? &parameters_.get(kPositionEmbedding) : nullptr;
  const at::Tensor anchor = at::zeros({1}, parameters_.flat_value.options()).requires_grad_();
  return EmbedFunction::apply(anchor, tokens, words, positions);
}

at::Tensor Model::project(const ProjectStage& stage, const at::Tensor& x, i64 n_sequences) const {
  Parameter& weight = parameters_.get(tensor_name(stage.name, "weight"));
  Parameter* bias = &parameters_.get(tensor_name(stage.name, "bias"));
  const at::Tensor in = x.to(parameters_.compute_dtype);
  if (stage.kernel_size == 1) {
    return Linear({.in = stage.in, .out = stage.out, .bias = true}, stage.name, parameters_)
        .forward(in)
        .to(at::kFloat);
  }
  return CausalConvFunction::apply(in.view({n_sequences, -1, stage.in}), &weight, bias)
      .reshape({-1, stage.out})
      .to(at::kFloat);
}

at::Tensor Model::fork(const ForkStage& stage, const at::Tensor& x, i64 n_sequences) const {
  const at::Tensor in = x.to(parameters_.compute_dtype);
  Parameter* gate = parameters_.find(kGate);
  at::Tensor alpha, sum;
  if (gate) {
    const at::Tensor anchor = at::zeros({1}, parameters_.flat_value.options()).requires_grad_();
    alpha = GateFunction::apply(anchor, gate);
  }
  for (size_t i = 0; i < stage.paths.size(); ++i) {
    const PathSpec& path = stage.paths[i];
    const at::Tensor start = entries_.at(path.name).forward(in).to(at::kFloat);
    const Stream out = run_blocks(path.blocks, {start, {}}, n_sequences);
    at::Tensor y = out.delta.defined() ? out.residual + out.delta : out.residual;
    if (gate) y = y * alpha[static_cast<i64>(i)];
    sum = sum.defined() ? sum + y : y;
  }
  return sum;
}

at::Tensor Model::forward(const at::Tensor& tokens) const {
  LATHE_CHECK(tokens.dim() == 2 && tokens.size(1) <= plan_.spec.context_length);
  const i64 n = tokens.size(0);
  Stream stream;
  at::Tensor normed;
  const auto settled = [&] {
    return stream.delta.defined() ? stream.residual + stream.delta : stream.residual;
  };
  for (const Stage& stage : plan_.stages) {
    std::visit(Overloaded{
                   [&](const EmbedStage& s) {
                     stream = {embed(s, tokens), {}};
                   },
                   [&](const BlocksStage& s) { stream = run_blocks(s.blocks, stream, n); },
                   [&](const ProjectStage& s) {
                     stream = {project(s, settled(), n), {}};
                   },
                   [&](const ForkStage& s) {
                     stream = {fork(s, settled(), n), {}};
                   },
                   [&](const NormStage&) {
                     normed = final_norm_.forward(stream.residual, stream.delta).second;
                   },
                   [](const HeadStage&) {},  // applied by the loss, a chunk of rows at a time
               },
               stage);
  }
  return normed;
}

at::Tensor Model::logits_of(const at::Tensor& h) const {
  at::NoGradGuard no_grad;
  return linear_product(h, head_->compute, {}).to(at::kFloat);
}

at::Tensor Model::logits(const at::Tensor& tokens) const {
  at::NoGradGuard no_grad;
  return logits_of(forward(tokens));
}

at::Tensor Model::loss_of(const at::Tensor& h, const at::Tensor& targets) const {
  at::NoGradGuard no_grad;
  return cross_entropy_sum(h, *head_, targets);
}

at::Tensor Model::loss(const at::Tensor& tokens, const at::Tensor& targets) const {
  at::NoGradGuard no_grad;
  return loss_of(forward(tokens), targets.reshape({-1}));
}

at::Tensor Model::loss_and_grad(const at::Tensor& tokens, const at::Tensor& targets, double scale) {
  const TrainingPass pass(guidance_);
  const at::Tensor h = forward(tokens);
  at::Tensor loss, dh;
  {
    at::NoGradGuard no_grad;
    std::tie(loss, dh) = cross_entropy_grad(h.detach(), *head_, targets.reshape({-1}), scale);
  }
  torch::autograd::backward({h}, {dh});
  pending_.clear();
  return loss;
}

std::pair<at::Tensor, at::Tensor> Model::distil_and_grad(const at::Tensor& tokens,
                                                         const at::Tensor& targets, double scale,
                                                         const Distillation& teacher) {
  const TrainingPass pass(guidance_);
  const at::Tensor h = forward(tokens);
  DistilledLoss sums;
  {
    at::NoGradGuard no_grad;
    sums = distillation_grad(h.detach(), *head_, targets.reshape({-1}), scale, teacher);
  }
  torch::autograd::backward({h}, {sums.dh});
  pending_.clear();
  return {sums.loss, sums.kl};
}

at::Tensor Model::embedded(const at::Tensor& tokens) const {
  return embed(std::get<EmbedStage>(plan_.stages.front()), tokens);
}

at::Tensor Model::block_output(i64 layer, const at::Tensor& x, i64 n_sequences) const {
  const Stream out = run_block(blocks_.at(layer), {x, {}}, n_sequences);
  return out.residual + out.delta;
}

}  // namespace lathe::train
