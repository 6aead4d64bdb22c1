#include "infer/generate.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "infer/text_stream.h"

namespace lathe::infer {

namespace {

// Tokens in one pass of a prefill: more does not run faster, and takes more memory.
constexpr size_t kPrefillTokens = 512;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::span<const float> prefill(const Model& model, State& state, KvCache& cache,
                               std::span<const int32_t> tokens, PathChoice path) {
  if (static_cast<i64>(tokens.size()) > cache.capacity() - cache.length()) {
    fail("[generate] a prompt of {} tokens does not fit the context of {}; shorten it",
         tokens.size(), cache.capacity() - cache.length());
  }
  while (tokens.size() > kPrefillTokens) {
    forward(model, state, cache, tokens.first(kPrefillTokens), LogitRows::kLast, path);
    tokens = tokens.subspan(kPrefillTokens);
  }
  return forward(model, state, cache, tokens, LogitRows::kLast, path);
}

GenerateResult generate(const Model& model, State& state, Sequence& sequence,
                        const Tokenizer& tokenizer, const GenerateOptions& options,
                        const OnText& on_text) {
  TextStream text(options.stop);
  std::vector<i64> ends = model.plan.spec.end_tokens;
  if (const auto end_of_text = tokenizer.end_of_text()) ends.push_back(*end_of_text);
  GenerateResult result;
  result.prompt_tokens = static_cast<i64>(sequence.pending().size());

  double start = now_seconds();
  std::span<const float> logits =
      prefill(model, state, sequence.cache, sequence.pending(), options.path);
  result.prompt_seconds = now_seconds() - start;

  start = now_seconds();
  for (;;) {
    const int32_t token = sequence.draw(logits);
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      result.reason = StopReason::kEndOfText;
      break;
    }
    result.tokens.push_back(token);
    const std::string piece = text.push(tokenizer.token_bytes(token));
    if (!on_text(token, piece)) {
      result.reason = StopReason::kCancelled;
      break;
    }
    if (text.stopped()) {
      result.reason = StopReason::kStop;
      break;
    }
    if (options.max_tokens > 0 && static_cast<i64>(result.tokens.size()) >= options.max_tokens) {
      result.reason = StopReason::kLength;
      break;
    }
    if (sequence.is_full()) {
      result.reason = StopReason::kContext;
      break;
    }
    logits =
        forward(model, state, sequence.cache, sequence.pending(), LogitRows::kLast, options.path);
    ++result.decode_steps;
  }
  result.decode_seconds = now_seconds() - start;
  const std::string rest = text.finish();
  if (!rest.empty() && result.reason != StopReason::kCancelled) on_text(-1, rest);
  return result;
}

}  // namespace lathe::infer
