#include "eval/tasks.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/suggest.h"
#include "eval/perplexity.h"
#include "eval/token_source.h"

namespace lathe {

namespace {

// A text, JSON lines, a shard, or a prepared folder's validation split.
Json run_perplexity(Scorer& scorer, const TaskInput& input, const std::string& argument) {
  const i64 context = scorer.context_length();
  if (input.window > context) {
    fail("[eval] --window is {}, expected at most the model's context of {} tokens", input.window,
         context);
  }
  const TokenSource source =
      open_token_source(argument, input.tokenizer, input.vocab_size, input.begin_token);
  ScoredText text;
  text.read = source.read;
  text.part = lay_out(source.size, text.read, source.start, TokenBytes(input.tokenizer),
                      input.window > 0 ? input.window : context, input.limit);
  const Perplexity p =
      perplexity(scorer, std::span(&text, 1), 1, [&](i64 done, i64 all, double nll) {
        input.on_progress(
            format("perplexity: {} of {} windows, {:.4f} nats per token", done, all, nll));
        return true;
      });
  Json out;
  out["nll_per_token"] = p.nll_per_token;
  out["ppl"] = p.ppl;
  out["bits_per_byte"] = text.part.n_bytes > 0 ? Json(p.bits_per_byte) : Json(nullptr);
  out["n_tokens"] = p.n_tokens;
  return out;
}

constexpr Task kTasks[] = {
    {"perplexity", "FILE|SHARDS", run_perplexity},
};

}  // namespace

AskedTask parse_task(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  std::vector<std::string> names;
  for (const Task& task : kTasks) {
    names.emplace_back(task.name);
    if (task.name != name) continue;
    const std::string argument = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (argument.empty()) {
      fail("[eval] task '{}' needs an argument: {}:{}", name, name, task.argument);
    }
    return {text, argument, &task, nullptr};
  }
  for (const Benchmark& benchmark : benchmarks()) {
    names.emplace_back(benchmark.name);
    if (benchmark.name != name) continue;
    if (colon == std::string::npos) return {text, "", nullptr, &benchmark};
    const std::string subject = text.substr(colon + 1);
    const std::vector<std::string> subjects(benchmark.subjects.begin(), benchmark.subjects.end());
    if (subjects.empty()) fail("[eval] task '{}' takes no argument, found '{}'", name, text);
    if (std::find(subjects.begin(), subjects.end(), subject) == subjects.end()) {
      fail("[eval] task '{}' has no subject '{}'{}", name, subject,
           did_you_mean(subject, subjects));
    }
    return {text, subject, nullptr, &benchmark};
  }
  std::string known;
  for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
  fail("[eval] no task '{}'{}; there are: {}", name, did_you_mean(name, names), known);
}

}  // namespace lathe
