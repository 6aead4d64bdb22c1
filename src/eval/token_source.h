// A text, JSON lines, a shard or a prepared folder as the tokens that a model sees: what perplexity
// and calibration read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/integer.h"
#include "text/tokenizer.h"

namespace lathe {

// Tokens [offset, offset + out.size()) of a text.
using ReadTokens = std::function<void(i64 offset, std::span<i64> out)>;

struct TokenSource {
  i64 size = 0;
  ReadTokens read;
  std::optional<int32_t> start;  // what every document begins with, where there is one
};

// `path`: a file as `lathe data prepare` reads it, or a shard, or a prepared folder, of which the
// validation split counts. `begin_token`: the model's, −1 for none: it begins the documents of a
// text, in place of the tokenizer's end of text, which begins them in shards. Error, naming the
// path, where a text has no tokens, and where shards are damaged or of another tokenizer.
TokenSource open_token_source(const std::string& path, const Tokenizer& tokenizer, i64 vocab_size,
                              i64 begin_token);

}  // namespace lathe
