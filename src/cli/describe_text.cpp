#include <algorithm>
#include <array>

#include "cli/describe.h"
#include "model/presets.h"
#include "run/spec_source.h"

namespace lathe {

namespace {

// 109632000 → "109,632,000".
std::string grouped(i64 n) {
  std::string text = std::to_string(n);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

// Three or four significant digits and a power of ten by name: "256.8 M".
std::string scaled(double value, std::string_view unit) {
  constexpr std::array<std::string_view, 7> kPrefixes = {"", "k", "M", "G", "T", "P", "E"};
  size_t i = 0;
  // 999.96 would be printed as 1000.0, and reads better as 1.0 of the next.
  while (value >= 999.95 && i + 1 < kPrefixes.size()) {
    value /= 1000;
    ++i;
  }
  return format(i == 0 ? "{:.0f} {}{}" : "{:.1f} {}{}", value, kPrefixes[i], unit);
}

std::string percent(double part, double whole) { return format("{:5.1f} %", 100 * part / whole); }

std::string params_text(const ParamCount& p) {
  std::string text = "parameters\n";
  const auto row = [&](const char* name, i64 n) {
    text += format("  {:<12}{:>16}  {}\n", name, grouped(n),
                   percent(static_cast<double>(n), static_cast<double>(p.total)));
  };
  row("ffn", p.ffn);
  row("attention", p.attention);
  row("embedding", p.embedding);
  if (p.head) row("head", p.head);
  row("other", p.other);
  row("total", p.total);
  return text;
}

std::string train_text(const Description& d) {
  if (!d.training) return "  training        --tokens N counts it\n";
  const TrainPlan& t = *d.training;
  std::string text =
      format("  training        {:.4g} FLOP: {} tokens, {} steps of {} tokens\n", d.train.flops,
             scaled(t.tokens, ""), grouped(d.train.phases.total), grouped(t.batch_tokens));
  if (t.guide.mode != GuideMode::kOff) {
    text += format("                  self-guided {}: {} guided steps, share {:.4f}\n",
                   name_of(t.guide.mode), grouped(d.train.phases.guided), t.guide.share);
  }
  return text;
}

bool structured(const Plan& plan) {
  for (const BlockSpec* b : all_blocks(plan)) {
    for (const BlockLinear& l : block_linears(*b)) {
      if (two_factor(*l.spec)) return true;
    }
  }
  return false;
}

std::string twin_text(const Description& d) {
  std::optional<TrainPlan> training = d.training;
  if (training) training->guide = {};
  const Description twin = describe_model(dense_twin(d.plan.spec), training);
  std::string text = "against the same model with every linear dense\n";
  const auto row = [&](const char* name, double own, double dense, const std::string& of) {
    text += format("  {:<18}{:.3f} of {}\n", name, own / dense, of);
  };
  row("parameters", static_cast<double>(d.params.total), static_cast<double>(twin.params.total),
      grouped(twin.params.total));
  row("FLOP a token", d.forward_flops, twin.forward_flops, scaled(twin.forward_flops, "FLOP"));
  if (training && twin.train.flops > 0) {
    row("FLOP to train", d.train.flops, twin.train.flops,
        format("{:.4g} FLOP on the same tokens", twin.train.flops));
  }
  return text;
}

}  // namespace

std::string describe_as_text(const Description& d, const std::string& title) {
  std::string text = title + "\n\n" + params_text(d.params);
  text += format("\nwork\n  forward         {} a token, context {}\n",
                 scaled(d.forward_flops, "FLOP"), d.plan.spec.context_length);
  text += format("  training step   {} a token\n", scaled(3 * d.forward_flops, "FLOP"));
  text += train_text(d);
  text += format("\nbytes (2 a number)\n  weights read    {} a decoded token\n",
                 scaled(static_cast<double>(d.bytes.weights_per_token), "B"));
  text += format("  KV cache        {} a position\n",
                 scaled(static_cast<double>(d.bytes.kv_per_token), "B"));
  text += "\nplan\n" + plan_as_text(d.plan);
  if (structured(d.plan)) text += "\n" + twin_text(d);
  return text;
}

std::string published_text(const std::string& preset) {
  const Published* paper = published_of(preset);
  if (!paper) return "";
  const Plan plan = make_plan(load_model_spec(preset, {}));
  const ParamCount count = count_params(plan);
  const TrainPlan training{.tokens = preset_tokens(preset), .batch_tokens = kPaperBatchTokens};
  std::string text = "\nprinted in arXiv 2406.16450, and counted here\n";
  const auto millions = [&](const char* name, double printed, i64 own) {
    if (printed == 0) return;
    text += format("  {:<14}{:>12.6g} M  {:>12.6g} M\n", name, printed / 1e6,
                   static_cast<double>(own) / 1e6);
  };
  millions("parameters", paper->params, count.total);
  millions("ffn", paper->ffn_params, count.ffn);
  return text + format("  {:<14}{:>14.4g}  {:>14.4g}\n", "training FLOP", paper->train_flops,
                       count_training(plan, training).flops);
}

}  // namespace lathe
