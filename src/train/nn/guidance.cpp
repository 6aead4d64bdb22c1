#include "train/nn/guidance.h"

#include <cmath>
#include <numbers>

#include "base/rng.h"
#include "train/nn/linear.h"
#include "train/nn/projection.h"

namespace lathe::train {

double guide_alpha(const SelfGuidedSpec& spec, i64 step, i64 guided) {
  if (step >= guided) return 0;
  const double progress = static_cast<double>(step) / static_cast<double>(guided);
  const double fall = spec.schedule == GuideSchedule::kCosine
                          ? (1 + std::cos(std::numbers::pi * progress)) / 2
                          : 1 - progress;
  return spec.alpha_end + (1 - spec.alpha_end) * fall;
}

Guidance::Guidance(const Plan& plan, const SelfGuidedSpec& spec, i64 guided, uint64_t seed,
                   at::Device device, Precision precision)
    : parameters(guide_list(plan), device, precision), spec_(spec), guided_(guided), seed_(seed) {}

void Guidance::start_from_product(Parameters& model) {
  for (Parameter& guide : parameters.list()) {
    const FactorPair f = factor_pair(model, guide.info.part, *guide.info.linear);
    guide.value.copy_(merged_product(*guide.info.linear, f.v->value, f.u->value));
  }
  parameters.refresh_compute();
}

void Guidance::reproject(Parameters& model, const std::function<void(const Parameter&)>& changed) {
  const double alpha = spec_.alpha_end;
  for (Parameter& guide : parameters.list()) {
    const FactorPair f = factor_pair(model, guide.info.part, *guide.info.linear);
    if (f.v->frozen || f.u->frozen) continue;  // one of them could not follow the other
    const at::Tensor product = merged_product(*guide.info.linear, f.v->value, f.u->value);
    const auto projected =
        project_to(*guide.info.linear, guide.value * alpha + product * (1 - alpha));
    f.v->value.copy_(projected[0]);
    f.u->value.copy_(projected[1]);
    changed(*f.v);
    changed(*f.u);
  }
  model.refresh_compute();
}

Mix Guidance::drawn(i64 index) const {
  if (spec_.stochastic == GuideDraw::kAlways) return mixture();
  // A stream a linear, a number of it a step.
  const Random random(seed_, RandomUse::kGuideDraw, static_cast<uint32_t>(index));
  if (random.uniform(static_cast<uint64_t>(step_)) >= alpha()) return {0, 1};
  return spec_.stochastic == GuideDraw::kPaper ? mixture() : Mix{1, 0};
}

double Guidance::extra_flops_per_token() const {
  double flops = 0;
  for (size_t i = 0; i < parameters.list().size(); ++i) {
    const TensorInfo& guide = parameters.list()[i].info;
    const Mix m = drawn(static_cast<i64>(i));
    if (m.dense != 0) flops += 2 * static_cast<double>(guide.numel());
    if (m.structured == 0) flops -= 2 * static_cast<double>(linear_macs(*guide.linear));
  }
  return flops;
}

i64 Guidance::index_of(const std::string& part) const {
  const std::string name = tensor_name(part, kGuide);
  for (size_t i = 0; i < parameters.list().size(); ++i) {
    if (parameters.list()[i].info.name == name) return static_cast<i64>(i);
  }
  return -1;
}

}  // namespace lathe::train
