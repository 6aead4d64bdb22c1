// One branch a stage: what a new one needs here.
#include "model/plan_json.h"

#include <nlohmann/json.hpp>

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

Json rope_json(const RopeSpec& rope) {
  return {{"base", rope.base},
          {"dims", rope.dims > 0 ? rope.dims : rope.d_head},
          {"scaling", write_fields(rope.scaling)}};
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
               {"rope", b.rope ? rope_json(*b.rope) : Json(nullptr)},
               {"parallel_residual", b.parallel},
               {"norm_1", norm_json(b.norm_1)},
               {"norm_2", norm_json(b.norm_2)}};
  if (b.qk_norm) json["qk_norm"] = norm_json(*b.qk_norm);
  for (const BlockLinear& l : block_linears(b)) {
    json["linears"][std::string(l.part)] = linear_json(*l.spec);
  }
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

Json plan_as_json(const Plan& plan) {
  Json list = Json::array();
  for (const Stage& stage : plan.stages) list.push_back(stage_json(stage));
  return list;
}

}  // namespace lathe
