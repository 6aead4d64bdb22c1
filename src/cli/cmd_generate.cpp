// lathe generate: continues a prompt.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/field_options.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "infer/generate.h"

namespace lathe {
namespace {

double rate(i64 n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0.0; }

// The prompt's tokens behind what begins every text of the model, or the start of a document where
// there are none.
std::vector<int32_t> first_tokens(const infer::Engine& engine, const std::string& prompt,
                                  bool special) {
  const Tokenizer& tokenizer = *engine.tokenizer;
  const i64 begin = engine.model->plan.spec.begin_token;
  std::vector<int32_t> tokens;
  if (begin >= 0) tokens.push_back(static_cast<int32_t>(begin));
  if (special) {
    tokenizer.append_ids_with_special(prompt, tokens);
  } else {
    tokenizer.append_ids(prompt, tokens);
  }
  if (!tokens.empty()) return tokens;
  const auto end_of_text = tokenizer.end_of_text();
  if (!end_of_text) fail("[generate] this tokenizer has no end-of-text token; give a --prompt");
  return {*end_of_text};
}

std::string as_json(const infer::GenerateResult& result, const std::string& text) {
  Json out;
  out["text"] = text;
  out["tokens"] = result.tokens;
  out["stop_reason"] = name_of(result.reason);
  out["prompt_tokens"] = result.prompt_tokens;
  out["prompt_tokens_per_second"] = rate(result.prompt_tokens, result.prompt_seconds);
  out["tokens_per_second"] = rate(result.decode_steps, result.decode_seconds);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string speeds(const infer::GenerateResult& result, const infer::Engine& engine) {
  return format(
      "prompt: {} tokens, {:.1f} tokens/s; generated: {} tokens, {:.1f} tokens/s; ended by {}; "
      "{} threads, {}\n",
      result.prompt_tokens, rate(result.prompt_tokens, result.prompt_seconds), result.tokens.size(),
      rate(result.decode_steps, result.decode_seconds), name_of(result.reason), engine.pool.size(),
      engine.state.k.isa);
}

}  // namespace

int cmd_generate(int argc, char** argv) {
  CLI::App app("Continues a prompt.", "lathe generate");
  ModelOptions model_options;
  model_options.add_to(app);
  infer::GenerateOptions options;
  infer::SamplerOptions sampler;
  std::string prompt;
  bool json = false, echo = false, special = false;
  app.add_option("--prompt", prompt, "the text to continue (default: the start of a document)")
      ->type_name("TEXT");
  app.add_flag("--special", special,
               "a special token that the prompt spells, as <|im_start|>, is that token");
  app.add_option("--max-tokens", options.max_tokens,
                 "tokens to generate at most; 0: until the context is full")
      ->check(kCount)
      ->capture_default_str();
  OptionAdder sampler_options(app);
  sampler.visit_fields(sampler_options);
  app.add_option("--stop", options.stop, "text to stop at, not printed; may be repeated")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app.add_flag("--echo", echo, "print the prompt too");
  app.add_flag("--json", json, "one JSON object in place of the text");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  }
  options.path = model_options.path;
  sampler.validate();

  const auto opened = open_engine(model_options);
  infer::Engine& engine = *opened;
  infer::Sequence sequence(*engine.model, sampler, engine.tokenizer->vocab_size());
  sequence.tokens = first_tokens(engine, prompt, special);
  std::string text;
  if (echo && !json) print(prompt);
  const infer::GenerateResult result =
      infer::generate(*engine.model, engine.state, sequence, *engine.tokenizer, options,
                      [&](int32_t, std::string_view piece) {
                        if (json) {
                          text += piece;
                        } else {
                          print(piece);
                        }
                        return true;
                      });
  print(json ? as_json(result, (echo ? prompt : "") + text) : "\n");
  std::fputs(speeds(result, engine).c_str(), stderr);
  return 0;
}

}  // namespace lathe
