#include "train/factorize/sizes.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "model/counts.h"
#include "train/factorize/factorize.h"

namespace lathe::train {

namespace {

// The option of the spec that a block's linear goes by.
LinearOption& usual_option(ModelSpec& spec, const BlockLinear& linear) {
  return linear.role == Role::kAttention ? spec.attention_linear : spec.ffn_linear;
}

bool stays_dense(const ModelSpec& spec, const BlockSpec& block, const BlockLinear& linear) {
  const auto& dense = spec.dense_ffn_layers;
  return linear.role == Role::kFfn &&
         std::find(dense.begin(), dense.end(), block.layer) != dense.end();
}

bool has_size(const LinearOption& option) { return option.rank != 0 || option.n_blocks != 0; }

// Calls visit(block, linear) for every linear of every block, in the model's order.
template <class Visit>
void for_linears(const Plan& plan, const Visit& visit) {
  for (const BlockSpec* block : all_blocks(plan)) {
    for (const BlockLinear& linear : block_linears(*block)) visit(*block, linear);
  }
}

}  // namespace

LinearSizes::LinearSizes(const Plan& source, const std::vector<std::string>& overrides,
                         const FactorizeOptions& options)
    : share_(options.share) {
  Json tree = to_json(source.spec);
  for (const std::string& assignment : overrides) apply_override(tree, assignment);
  spec_ = parse_model_spec(tree, "--set");
  // Everything but its linears must stay what it is.
  ModelSpec twin = dense_twin(spec_), before = dense_twin(source.spec);
  twin.dense_ffn_layers = before.dense_ffn_layers;
  twin.linear_bias = before.linear_bias;
  twin.biased_linears = before.biased_linears;
  if (to_json(twin) != to_json(before)) {
    fail(
        "[factorize] --set changes more than linears; expected keys of ffn_linear, "
        "attention_linear, linears, dense_ffn_layers, linear_bias or biased_linears");
  }
  if (options.allocate && share_ <= 0) fail("[factorize] --allocate spends a share; give --share");
  if (share_ > 0) settle_share(source, share_);
  const Plan target = make_plan(spec_);
  std::map<std::string, LinearSpec> was;
  for_linears(source, [&](const BlockSpec&, const BlockLinear& l) { was[l.name] = *l.spec; });
  for_linears(target, [&](const BlockSpec&, const BlockLinear& l) {
    if (form_of(*l.spec) != LinearForm::kTwoFactor) return;
    if (option_of(*l.spec) != option_of(was.at(l.name))) scope_.push_back({l.name, *l.spec});
  });
  if (scope_.empty()) {
    fail(
        "[factorize] no linear changes; expected --set ffn_linear.kind=low_rank, say, with --share "
        "or a rank");
  }
}

void LinearSizes::settle_share(const Plan& source, double share) {
  if (share >= 1) fail("[factorize] --share is {}, expected more than 0 and less than 1", share);
  const Plan dense = make_plan(dense_twin(source.spec));
  bool any = false;
  for (const Role role : {Role::kFfn, Role::kAttention}) {
    std::vector<LinearSpec> linears;
    std::vector<std::string> names;
    LinearOption* option = nullptr;
    for_linears(dense, [&](const BlockSpec& block, const BlockLinear& l) {
      if (l.role != role) return;
      option = &usual_option(spec_, l);
      if (stays_dense(spec_, block, l) || spec_.linears.contains(l.name)) return;
      linears.push_back(*l.spec);
      names.push_back(l.name);
    });
    if (!option || option->kind == LinearKind::kDense || linears.empty()) continue;
    const bool sized = takes_rank(option->kind) ? option->rank != 0 : has_size(*option);
    const std::string where = role == Role::kFfn ? "ffn_linear" : "attention_linear";
    if (sized) {
      fail("[{}] both a size and --share are given; expected one of them", where);
    }
    any = true;
    const bool one_width = std::all_of(linears.begin(), linears.end(), [&](const LinearSpec& l) {
      return std::min(l.in, l.out) == std::min(linears[0].in, linears[0].out);
    });
    if (one_width) {
      *option = option_at_share(*option, share, linears, where);
      continue;
    }
    // Stages of several widths: each linear by itself.
    for (size_t i = 0; i < linears.size(); ++i) {
      spec_.linears[names[i]] =
          option_at_share(*option, share, std::span(&linears[i], 1), names[i]);
    }
    *option = {};
  }
  if (!any) {
    fail(
        "[factorize] --share is given, and every linear is dense; expected --set "
        "ffn_linear.kind=low_rank, say");
  }
}

std::vector<SizedLinear> LinearSizes::replaced() const {
  const Plan target = plan();
  std::vector<SizedLinear> list;
  for_linears(target, [&](const BlockSpec&, const BlockLinear& l) {
    const bool scoped = std::any_of(scope_.begin(), scope_.end(),
                                    [&](const SizedLinear& s) { return s.part == l.name; });
    if (scoped && form_of(*l.spec) == LinearForm::kTwoFactor) list.push_back({l.name, *l.spec});
  });
  return list;
}

double LinearSizes::share() const {
  const Plan target = plan();
  double now = 0, dense = 0;
  for_linears(target, [&](const BlockSpec&, const BlockLinear& l) {
    const bool scoped = std::any_of(scope_.begin(), scope_.end(),
                                    [&](const SizedLinear& s) { return s.part == l.name; });
    if (!scoped) return;
    now += static_cast<double>(linear_weights(*l.spec));
    dense += static_cast<double>(l.spec->in) * static_cast<double>(l.spec->out);
  });
  return now / dense;
}

i64 LinearSizes::budget() const {
  double dense = 0;
  for (const SizedLinear& l : scope_) dense += static_cast<double>(l.spec.in * l.spec.out);
  return static_cast<i64>(dense * share_);
}

void LinearSizes::choose(const std::string& part, const LinearOption& option) {
  spec_.linears[part] = option;
}

}  // namespace lathe::train
