// Which linears of a model are replaced, and by what size of what kind: --set, --share and
// --allocate made into a plan. No weights.
#pragma once

#include <string>
#include <vector>

#include "model/linear_sizes.h"
#include "model/plan.h"

namespace lathe::train {

struct FactorizeOptions;

struct SizedLinear {
  std::string part;  // "blocks.0.ffn.up"
  LinearSpec spec;   // as it is to be; its rank or blocks mean nothing yet before allocation
};

class LinearSizes {
 public:
  // `source`: the model as it is; `overrides` of its spec. Error where nothing changes, or a share
  // and a size are both given or neither.
  LinearSizes(const Plan& source, const std::vector<std::string>& overrides,
              const FactorizeOptions& options);

  // Those that may be replaced, and those that are.
  const std::vector<SizedLinear>& in_scope() const { return scope_; }
  std::vector<SizedLinear> replaced() const;
  // Of the parameters of all in scope as dense matrices, those that they have now.
  double share() const;
  // Parameters that the share leaves for all in scope together.
  i64 budget() const;
  // Gives one of them a size of its own; a dense option leaves it as it was.
  void choose(const std::string& part, const LinearOption& option);
  Plan plan() const { return make_plan(spec_); }

 private:
  void settle_share(const Plan& source, double share);

  ModelSpec spec_;
  double share_ = 0;
  std::vector<SizedLinear> scope_;
};

}  // namespace lathe::train
