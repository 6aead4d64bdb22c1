#include "run/description.h"

namespace lathe {

Description describe_model(const ModelSpec& spec, std::optional<TrainPlan> training) {
  Description d;
  d.plan = make_plan(spec);
  d.params = count_params(d.plan);
  d.bytes = count_bytes(d.plan);
  d.forward_flops = forward_flops_per_token(d.plan, spec.context_length);
  if (!training) return d;
  training->guide.share = guided_share(d.plan, training->guide);
  d.training = training;
  d.train = count_training(d.plan, *training);
  return d;
}

}  // namespace lathe
