// What validation scores of a run's prepared folders.
#pragma once

#include <memory>

#include "data/shards.h"
#include "eval/perplexity.h"

namespace lathe::train {

// The windows of a split, with a context of `context` tokens: whole ones up to about `budget`
// tokens, at least one. Where tokens of prompts are left out, each text by itself: what counts of
// it, behind the tokens that begin it, up to the end-of-text token behind it, and at most `context`
// of them. Nothing where no token counts.
std::optional<ScoredText> lay_out_split(std::shared_ptr<const TokenStream> stream,
                                        std::optional<int32_t> start, const TokenBytes& bytes,
                                        i64 context, i64 budget);

}  // namespace lathe::train
