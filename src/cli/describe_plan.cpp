// The stages of a plan, for people.
#include "cli/describe.h"

namespace lathe {

namespace {

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

std::string plan_as_text(const Plan& plan) {
  PlanText lines;
  for (const Stage& stage : plan.stages) std::visit(lines, stage);
  return lines.text;
}

}  // namespace lathe
