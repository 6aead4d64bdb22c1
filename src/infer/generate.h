// Continues a prompt, token by token.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/forward.h"
#include "infer/sequence.h"
#include "text/tokenizer.h"

namespace lathe::infer {

// Beside those of the sampler, which belong to the sequence.
struct GenerateOptions {
  i64 max_tokens = 256;  // 0: until the context is full
  std::vector<std::string> stop;
  PathChoice path = PathChoice::kAll;
};

// What ended a text: its own end (the tokenizer's end of text or one of the spec's end_tokens), a
// stop string, max_tokens, a full context, the caller.
enum class StopReason { kEndOfText, kStop, kLength, kContext, kCancelled };
constexpr auto names_of(StopReason) {
  return enum_names<StopReason>("end_of_text", "stop", "length", "context", "cancelled");
}

struct GenerateResult {
  StopReason reason = StopReason::kLength;
  std::vector<int32_t> tokens;  // generated; without the end of text
  double prompt_seconds = 0, decode_seconds = 0;
  i64 prompt_tokens = 0;
  i64 decode_steps = 0;  // forward passes of one token, in decode_seconds
};

// Called for every token with the text that is certain by then (possibly none: see TextStream), and
// a last time with token −1 where text was left. False ends the generation.
using OnText = std::function<bool(int32_t token, std::string_view text)>;

// Feeds the sequence's pending tokens, at least one, and goes on from there; those it draws are in
// the sequence too, the end of text among them.
GenerateResult generate(const Model& model, State& state, Sequence& sequence,
                        const Tokenizer& tokenizer, const GenerateOptions& options,
                        const OnText& on_text);

// Feeds tokens to the cache in pieces that keep the scratch small; logits of the last one.
std::span<const float> prefill(const Model& model, State& state, KvCache& cache,
                               std::span<const int32_t> tokens, PathChoice path);

}  // namespace lathe::infer
