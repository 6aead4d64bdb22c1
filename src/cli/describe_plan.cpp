// The stages of a plan, for programs and for people: the one file to change for a new stage.
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

bool equal(const NormSpec& a, const NormSpec& b) {
  return a.kind == b.kind && a.width == b.width && a.eps == b.eps && a.bias == b.bias;
}

// Apart from its name and number.
bool same_shape(const BlockSpec& a, const BlockSpec& b) {
  return a.d_model == b.d_model && a.n_heads == b.n_heads && a.n_kv_heads == b.n_kv_heads &&
         a.d_head == b.d_head && a.d_ff == b.d_ff && equal(a.norm_1, b.norm_1) &&
         equal(a.norm_2, b.norm_2) && a.qkv == b.qkv && a.out == b.out && a.up == b.up &&
         a.down == b.down && a.activation == b.activation && a.rope == b.rope &&
         a.qk_norm.has_value() == b.qk_norm.has_value() && a.parallel == b.parallel;
}

std::string heads(const BlockSpec& b) {
  std::string text = format("{} heads × {}", b.n_heads, b.d_head);
  if (b.n_kv_heads != b.n_heads) text += format(" ({} kv)", b.n_kv_heads);
  if (b.qk_norm) text += ", q and k normed";
  if (b.rope && b.rope->dims > 0 && b.rope->dims < b.d_head) {
    text += format(", {} of {} rotate", b.rope->dims, b.d_head);
  }
  if (b.rope && b.rope->scaling.kind != RopeScaling::kNone) {
    text += format(", rope {} × {}", name_of(b.rope->scaling.kind), b.rope->scaling.factor);
  }
  if (b.parallel) text += ", feed-forward beside attention";
  return text;
}

// "; qkv low_rank 768 → 2304 rank 192; out …"
std::string linears(const BlockSpec& b) {
  std::string text;
  for (const BlockLinear& l : block_linears(b)) {
    text += format("; {} {}", l.part.substr(l.part.find('.') + 1), describe_linear(*l.spec));
  }
  return text;
}

class PlanText {
 public:
  void operator()(const EmbedStage& s) {
    line("embed",
         format("{} tokens × {}{}", s.vocab_size, s.width,
                s.learned_positions ? format(", {} learned positions", s.context_length) : ""));
  }
  void operator()(const BlocksStage& s) { blocks(s.blocks); }
  void operator()(const ProjectStage& s) {
    line(s.name, s.kernel_size == 1
                     ? format("{} → {}", s.in, s.out)
                     : format("{} → {}, causal over {} positions", s.in, s.out, s.kernel_size));
  }
  void operator()(const ForkStage& s) {
    line("fork",
         format("{} paths from the same input, averaged by a learned gate", s.paths.size()));
    for (const PathSpec& path : s.paths) {
      indent_ = "  ";
      line(path.name + " entry", describe_linear(path.entry));
      blocks(path.blocks);
      indent_.clear();
    }
  }
  void operator()(const NormStage& s) { line("norm", format("{}", s.norm.width)); }
  void operator()(const HeadStage& s) {
    line("head", format("{} → {}{}", s.in, s.vocab_size, s.tied ? ", tied to embed" : ""));
  }

  std::string text;

 private:
  void line(const std::string& name, const std::string& what) {
    text += format("  {:<18}{}\n", indent_ + name + ":", what);
  }
  void blocks(const std::vector<BlockSpec>& list) {
    for (size_t from = 0; from < list.size();) {
      size_t to = from + 1;
      while (to < list.size() && same_shape(list[from], list[to])) ++to;
      const BlockSpec& b = list[from];
      line(to - from == 1 ? format("block {}", b.layer)
                          : format("blocks {}-{}", b.layer, list[to - 1].layer),
           format("width {}, {}{}", b.d_model, heads(b), linears(b)));
      from = to;
    }
  }

  std::string indent_;
};

}  // namespace

Json plan_as_json(const Plan& plan) {
  Json list = Json::array();
  for (const Stage& stage : plan.stages) list.push_back(stage_json(stage));
  return list;
}

std::string plan_as_text(const Plan& plan) {
  PlanText lines;
  for (const Stage& stage : plan.stages) std::visit(lines, stage);
  return lines.text;
}

}  // namespace lathe
