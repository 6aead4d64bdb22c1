// Which tokens of a long text are scored, each behind which others, and how many bytes of text they
// stand for. Validation while training and `lathe eval` both score by this one rule, so that their
// losses and bits per byte are the same numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/numeric.h"
#include "eval/token_source.h"

namespace lathe {

// One piece of a text: `input` tokens from `begin` on are fed, and of what follows each, the last
// `scored` are scored; −1 as begin stands for the prefix token in front of token 0.
struct Window {
  i64 begin = 0, input = 0, scored = 0;
};
// Windows of at most `context` inputs that score every token of a text of n tokens once: the first
// one behind the prefix token, each next one with one token of what went before, the last with as
// many as the context takes (EleutherAI's rolling log-likelihood). Without a prefix token the first
// token is not scored.
std::vector<Window> rolling_windows(i64 n, i64 context, bool has_prefix);

// The bytes of text that each token of a vocabulary spells. Const after construction; any number of
// threads.
class TokenBytes {
 public:
  // Asks for every token once. What special tokens spell is nothing.
  explicit TokenBytes(const Tokenizer& tokenizer);

  // Of a token inside a document.
  i64 of(i64 id) const { return bytes_[index(id)]; }
  // Of the first token of a document: without the space that the tokenizer put there itself.
  i64 of_first(i64 id) const { return bytes_[index(id)] - own_space_[index(id)]; }

 private:
  size_t index(i64 id) const;  // Error where the tokenizer has no such token

  std::vector<int32_t> bytes_;
  std::vector<char> own_space_;  // 1: decode() drops a space in front of it
};

// What is to be scored of a text.
struct ScoredPart {
  std::vector<Window> windows;
  std::optional<int32_t> prefix;  // fed in front of token 0
  i64 n_tokens = 0;               // that are scored
  i64 n_bytes = 0;                // that those very tokens spell
};

// The first `max_windows` windows (0: all) of a text of n tokens. Every document begins with the
// token `start`, if there is one; where token 0 is another one the text begins inside a document,
// and `start` is put in front, so that token 0 is scored too. Reads what it counts. Throws Error
// when nothing can be scored or the tokenizer lacks a token.
ScoredPart lay_out(i64 n, const ReadTokens& read, std::optional<int32_t> start,
                   const TokenBytes& bytes, i64 context, i64 max_windows);

// The window's input + 1 tokens: what is fed, and behind it the last one that is scored.
void read_window(const ScoredPart& part, const Window& window, const ReadTokens& read,
                 std::vector<i64>& tokens);

// NaN where there are no bytes.
double bits_per_byte(double nats, i64 n_bytes);

}  // namespace lathe
