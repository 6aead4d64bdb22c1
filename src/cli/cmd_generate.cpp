// lathe generate: continues a prompt.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/count_ranges.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "infer/generate.h"

namespace lathe {
namespace {

double rate(i64 n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0.0; }

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

int cmd_generate(int argc, char** argv) {
  CLI::App app("Continues a prompt.", "lathe generate");
  ModelOptions model_options;
  model_options.add_to(app);
  infer::GenerateOptions options;
  infer::SamplerOptions sampler;
  std::string prompt;
  bool json = false, echo = false;
  app.add_option("--prompt", prompt, "the text to continue (default: the start of a document)")
      ->type_name("TEXT");
  app.add_option("--max-tokens", options.max_tokens,
                 "tokens to generate at most; 0: until the context is full")
      ->check(kCount)
      ->capture_default_str();
  app.add_option("--temperature", sampler.temperature, "0: always the most likely token")
      ->capture_default_str();
  app.add_option("--top-k", sampler.top_k, "draw from the k most likely tokens; 0: off")
      ->check(kWholeNumber)
      ->capture_default_str();
  app.add_option("--top-p", sampler.top_p,
                 "draw from the fewest tokens that reach this probability; 1: off")
      ->capture_default_str();
  app.add_option("--min-p", sampler.min_p,
                 "drop tokens less likely than this share of the first; 0: off")
      ->capture_default_str();
  app.add_option("--repeat-penalty", sampler.repeat_penalty,
                 "makes recent tokens less likely; 1: off")
      ->capture_default_str();
  app.add_option("--repeat-last-n", sampler.repeat_last_n, "tokens the penalty looks back over")
      ->check(kWholeNumber)
      ->capture_default_str();
  app.add_option("--seed", sampler.seed, "the same seed gives the same text")
      ->check(kWholeNumber)
      ->capture_default_str();
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
  sequence.tokens = engine.tokenizer->encode(prompt);
  if (sequence.tokens.empty()) {
    const auto end_of_text = engine.tokenizer->end_of_text();
    if (!end_of_text) fail("[generate] this tokenizer has no end-of-text token; give a --prompt");
    sequence.tokens.push_back(*end_of_text);
  }
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
  const double prompt_rate = rate(result.prompt_tokens, result.prompt_seconds);
  const double decode_rate = rate(result.decode_steps, result.decode_seconds);
  if (json) {
    Json out;
    out["text"] = (echo ? prompt : "") + text;
    out["tokens"] = result.tokens;
    out["stop_reason"] = name_of(result.reason);
    out["prompt_tokens"] = result.prompt_tokens;
    out["prompt_tokens_per_second"] = prompt_rate;
    out["tokens_per_second"] = decode_rate;
    print(dump(out));
  } else {
    print("\n");
  }
  std::fputs(format("prompt: {} tokens, {:.1f} tokens/s; generated: {} tokens, {:.1f} tokens/s; "
                    "ended by {}; {} threads, {}\n",
                    result.prompt_tokens, prompt_rate, result.tokens.size(), decode_rate,
                    name_of(result.reason), engine.pool.size(), engine.state.k.isa)
                 .c_str(),
             stderr);
  return 0;
}

}  // namespace lathe
