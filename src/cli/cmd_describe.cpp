// lathe describe: shapes, parameters, FLOPs and bytes of a model, without its weights.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/output.h"
#include "model/presets.h"
#include "run/spec_source.h"

namespace lathe {

namespace {

// A positive number, also as people write large ones (2.2e9). Anything else is a usage error.
double parse_number(const char* option, const std::string& text, double most) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || !(value > 0 && value <= most)) {
    throw CLI::ValidationError(option,
                               format("'{}' is no number above 0 and at most {:g}", text, most));
  }
  return value;
}

// As written in papers: 2.2e9 is a whole number.
i64 parse_count(const char* option, const std::string& text) {
  const double value = parse_number(option, text, 9e15);
  if (value != std::floor(value)) {
    throw CLI::ValidationError(option, format("'{}' is no whole number", text));
  }
  return static_cast<i64>(value);
}

// fixed_steps[:R] or fixed_flops[:R].
void parse_guide(const std::string& text, TrainPlan& training) {
  const size_t colon = text.find(':');
  const std::optional<GuideMode> mode = value_of<GuideMode>(text.substr(0, colon));
  if (!mode || *mode == GuideMode::kOff) {
    throw CLI::ValidationError("--self-guided", format("'{}' is neither fixed_steps[:SHARE] nor "
                                                       "fixed_flops[:SHARE]",
                                                       text));
  }
  training.guide.mode = *mode;
  if (colon != std::string::npos) {
    training.guide.share = parse_number("--self-guided", text.substr(colon + 1), 1);
  }
}

std::string list_presets(bool json) {
  Json names = Json::array();
  std::string table = format("{:<26}{:>14}{:>12}\n", "preset", "parameters", "tokens");
  for (const std::string& name : preset_names()) {
    const i64 total = count_params(make_plan(load_model_spec(name, {}))).total;
    table += format("{:<26}{:>12.2f} M{:>10.2f} B\n", name, static_cast<double>(total) / 1e6,
                    preset_tokens(name) / 1e9);
    names.push_back(name);
  }
  return json ? names.dump() + "\n" : table;
}

}  // namespace

int cmd_describe(int argc, char** argv) {
  CLI::App app("Shapes, parameters, FLOPs and bytes of a model, without its weights.",
               "lathe describe");
  std::string source, tokens, batch_tokens, guide;
  std::vector<std::string> overrides;
  bool json = false, list = false;
  app.add_option("spec", source, "preset, spec file, run file or model directory")
      ->type_name("SPEC");
  app.add_option("--set", overrides, "override a field; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--tokens", tokens, "training tokens (default: those of the preset's paper)")
      ->type_name("N");
  app.add_option("--batch-tokens", batch_tokens,
                 format("tokens in an optimizer step (default: {})", kPaperBatchTokens))
      ->type_name("N");
  app.add_option("--self-guided", guide,
                 "count self-guided training: fixed_steps[:SHARE] (default share 0.5) or "
                 "fixed_flops[:SHARE] (default: what matches the dense twin)")
      ->type_name("MODE");
  app.add_flag("--json", json, "for programs");
  app.add_flag("--list", list, "list the presets");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  if (list) {
    print(list_presets(json));
    return 0;
  }
  if (source.empty()) throw CLI::RequiredError("SPEC (--list shows the presets)");

  TrainPlan training;
  training.batch_tokens =
      batch_tokens.empty() ? kPaperBatchTokens : parse_count("--batch-tokens", batch_tokens);
  if (!guide.empty()) parse_guide(guide, training);
  if (!tokens.empty()) {
    training.tokens = static_cast<double>(parse_count("--tokens", tokens));
  } else if (is_preset(source)) {
    training.tokens = preset_tokens(source);
  } else if (!guide.empty()) {
    throw CLI::RequiredError("--tokens (with --self-guided, since SPEC is no preset)");
  }
  const Description description =
      describe_model(load_model_spec(source, overrides),
                     training.tokens > 0 ? std::optional<TrainPlan>(training) : std::nullopt);
  // Overrides make another model of it than the paper's.
  print(json ? describe_as_json(description).dump(2) + "\n"
             : describe_as_text(description, source) +
                   published_text(overrides.empty() ? source : ""));
  return 0;
}

}  // namespace lathe
