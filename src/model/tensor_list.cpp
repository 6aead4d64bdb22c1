#include "model/tensor_list.h"

#include <cmath>

namespace lathe {

namespace {

class Lister {
 public:
  explicit Lister(const ModelSpec& spec) : spec_(spec) {
    residual_std_ = spec.init_residual_scale
                        ? spec.init_std / std::sqrt(2.0 * static_cast<double>(spec.n_layers))
                        : spec.init_std;
  }

  void operator()(const EmbedStage& s) {
    normal(kTokenEmbedding, {s.vocab_size, s.width}, Role::kEmbedding, spec_.init_std);
    if (s.learned_positions) {
      normal(kPositionEmbedding, {s.context_length, s.width}, Role::kEmbedding, spec_.init_std);
    }
  }
  void operator()(const BlocksStage& s) {
    for (const BlockSpec& b : s.blocks) block(b);
  }
  void operator()(const ProjectStage& s) {
    std::vector<i64> shape = {s.out, s.in};
    if (s.kernel_size > 1) shape.push_back(s.kernel_size);
    normal(tensor_name(s.name, "weight"), shape, Role::kOther, spec_.init_std);
    constant(tensor_name(s.name, "bias"), {s.out}, InitRule::kZeros);
  }
  void operator()(const ForkStage& s) {
    for (const PathSpec& path : s.paths) {
      linear(path.name + ".entry", path.entry, Role::kOther, spec_.init_std);
      for (const BlockSpec& b : path.blocks) block(b);
    }
    const i64 gates = static_cast<i64>(s.paths.size()) - 1;
    if (gates > 0) constant(kGate, {gates}, InitRule::kZeros);
  }
  void operator()(const NormStage& s) { norm(kFinalNorm, s.norm); }
  void operator()(const HeadStage& s) {
    if (!s.tied) normal(kHead, {s.vocab_size, s.in}, Role::kHead, spec_.init_std);
  }

  std::vector<TensorInfo> list;

 private:
  void normal(std::string name, std::vector<i64> shape, Role role, double std) {
    list.push_back({.name = std::move(name),
                    .shape = std::move(shape),
                    .role = role,
                    .init = InitRule::kNormal,
                    .std = std,
                    .matrix = true,
                    .linear = {},
                    .part = {}});
  }
  void constant(std::string name, std::vector<i64> shape, InitRule rule) {
    list.push_back({.name = std::move(name),
                    .shape = std::move(shape),
                    .role = Role::kOther,
                    .init = rule,
                    .std = 0,
                    .matrix = false,
                    .linear = {},
                    .part = {}});
  }
  void norm(const std::string& part, const NormSpec& n) {
    constant(tensor_name(part, "weight"), {n.width}, InitRule::kOnes);
    if (n.bias) constant(tensor_name(part, "bias"), {n.width}, InitRule::kZeros);
  }
  void linear(const std::string& part, const LinearSpec& spec, Role role, double std) {
    for (const Factor& factor : factors(spec)) {
      normal(tensor_name(part, factor.name), factor.shape, role, std);
      if (two_factor(spec)) list.back().init = InitRule::kFactors;
      list.back().linear = spec;
      list.back().part = part;
    }
    if (spec.bias) constant(tensor_name(part, "bias"), {spec.out}, InitRule::kZeros);
  }
  void block(const BlockSpec& b) {
    for (const BlockLinear& l : block_linears(b)) {
      // Each norm stands before the linears behind it.
      if (l.spec == &b.qkv) norm(tensor_name(b.name, kNorm1), b.norm_1);
      if (l.spec == &b.up) norm(tensor_name(b.name, kNorm2), b.norm_2);
      linear(l.name, *l.spec, l.role, l.to_residual ? residual_std_ : spec_.init_std);
      if (l.spec == &b.qkv && b.qk_norm) {
        norm(tensor_name(b.name, kQNorm), *b.qk_norm);
        norm(tensor_name(b.name, kKNorm), *b.qk_norm);
      }
    }
  }

  const ModelSpec& spec_;
  double residual_std_;
};

}  // namespace

i64 TensorInfo::numel() const {
  i64 n = 1;
  for (i64 d : shape) n = checked_product(n, d, name.c_str());
  return n;
}

std::string tensor_name(const std::string& part, std::string_view leaf) {
  return part + "." + std::string(leaf);
}

std::vector<TensorInfo> tensor_list(const Plan& plan) {
  Lister lister(plan.spec);
  for (const Stage& stage : plan.stages) std::visit(lister, stage);
  return std::move(lister.list);
}

std::vector<TensorInfo> guide_list(const Plan& plan) {
  std::vector<TensorInfo> list;
  for (const BlockSpec* b : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*b)) {
      if (form_of(*l.spec) != LinearForm::kTwoFactor) continue;
      list.push_back({.name = tensor_name(l.name, kGuide),
                      .shape = {l.spec->out, l.spec->in},
                      .role = l.role,
                      .init = InitRule::kZeros,  // the factors' product, once these are there
                      .std = 0,
                      .matrix = true,
                      .linear = *l.spec,
                      .part = l.name});
    }
  }
  return list;
}

}  // namespace lathe
