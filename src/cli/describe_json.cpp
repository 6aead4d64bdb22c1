#include <nlohmann/json.hpp>

#include "cli/describe.h"

namespace lathe {

namespace {

Json linear_json(const LinearSpec& linear) {
  Json json = {{"kind", name_of(linear.kind)}, {"in", linear.in}, {"out", linear.out}};
  if (linear.rank) json["rank"] = linear.rank;
  if (linear.n_blocks) json["n_blocks"] = linear.n_blocks;
  json["bias"] = linear.bias;
  for (const Factor& factor : factors(linear)) {
    json["factors"][std::string(factor.name)] = factor.shape;
  }
  return json;
}

Json norm_json(const NormSpec& norm) {
  return {
      {"kind", name_of(norm.kind)}, {"width", norm.width}, {"eps", norm.eps}, {"bias", norm.bias}};
}

Json block_json(const BlockSpec& b) {
  Json json = {{"name", b.name},
               {"layer", b.layer},
               {"d_model", b.d_model},
               {"n_heads", b.n_heads},
               {"n_kv_heads", b.n_kv_heads},
               {"d_head", b.d_head},
               {"d_ff", b.d_ff},
               {"activation", name_of(b.activation)},
               {"rope_base", b.rope ? Json(b.rope_base) : Json(nullptr)},
               {"norm_1", norm_json(b.norm_1)},
               {"norm_2", norm_json(b.norm_2)}};
  json["linears"] = {{"attention.qkv", linear_json(b.qkv)},
                     {"attention.out", linear_json(b.out)},
                     {"ffn.up", linear_json(b.up)},
                     {"ffn.down", linear_json(b.down)}};
  return json;
}

Json blocks_json(const std::vector<BlockSpec>& blocks) {
  Json list = Json::array();
  for (const BlockSpec& b : blocks) list.push_back(block_json(b));
  return list;
}

Json stage_json(const Stage& stage) {
  return std::visit(
      Overloaded{
          [](const EmbedStage& s) -> Json {
            return {{"stage", "embed"},
                    {"vocab_size", s.vocab_size},
                    {"context_length", s.context_length},
                    {"width", s.width},
                    {"learned_positions", s.learned_positions}};
          },
          [](const BlocksStage& s) -> Json {
            return {{"stage", "blocks"}, {"blocks", blocks_json(s.blocks)}};
          },
          [](const ProjectStage& s) -> Json {
            return {{"stage", "project"},
                    {"name", s.name},
                    {"in", s.in},
                    {"out", s.out},
                    {"kernel_size", s.kernel_size}};
          },
          [](const ForkStage& s) -> Json {
            Json json = {{"stage", "fork"}, {"gate", s.paths.size() - 1}};
            for (const PathSpec& path : s.paths) {
              json["paths"].push_back({{"name", path.name},
                                       {"entry", linear_json(path.entry)},
                                       {"blocks", blocks_json(path.blocks)}});
            }
            return json;
          },
          [](const NormStage& s) -> Json {
            Json json = {{"stage", "norm"}};
            json.update(norm_json(s.norm));
            return json;
          },
          [](const HeadStage& s) -> Json {
            return {
                {"stage", "head"}, {"in", s.in}, {"vocab_size", s.vocab_size}, {"tied", s.tied}};
          },
      },
      stage);
}

}  // namespace

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
  json["plan"] = Json::array();
  for (const Stage& stage : d.plan.stages) json["plan"].push_back(stage_json(stage));
  return json;
}

}  // namespace lathe
