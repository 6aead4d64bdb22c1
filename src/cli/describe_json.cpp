#include <nlohmann/json.hpp>

#include "cli/describe.h"
#include "model/plan_json.h"

namespace lathe {

Json describe_as_json(const Description& d) {
  Json json;
  json["params"] = {{"total", d.params.total},         {"ffn", d.params.ffn},
                    {"attention", d.params.attention}, {"embedding", d.params.embedding},
                    {"head", d.params.head},           {"other", d.params.other}};
  json["flops"] = {{"forward_per_token", d.forward_flops},
                   {"train_per_token", 3 * d.forward_flops},
                   {"train_total", d.training ? Json(d.train.flops) : Json(nullptr)}};
  json["bytes"] = {{"weights_per_token", d.bytes.weights_per_token},
                   {"kv_per_token", d.bytes.kv_per_token}};
  json["plan"] = plan_as_json(d.plan);
  return json;
}

}  // namespace lathe
