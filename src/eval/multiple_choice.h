// Multiple-choice questions on a model: their tokens as the harness makes them, and a score a
// choice.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/choice_item.h"
#include "eval/scorer.h"
#include "text/tokenizer.h"

namespace lathe {

// Makes tokens of a pair: those of the whole text, and of them those beyond the context's own
// count. Blanks at the context's end belong to the continuation. A model with a token that begins
// texts gets it in front, as its tokenizer does in transformers; an empty context is that token, or
// else the one that ends texts. Borrows the tokenizer; one thread at a time.
class PairEncoder {
 public:
  PairEncoder(const Tokenizer& tokenizer, i64 begin_token, i64 context_length)
      : tokenizer_(tokenizer), begin_token_(begin_token), context_length_(context_length) {}

  // What does not fit goes from the left. Error where the continuation has no token or does not fit
  // by itself, or where nothing can stand for an empty context.
  Request encode(std::string_view context, std::string_view continuation);
  // The two encoded apart and nothing in front, as gpt-variations does.
  Request encode_apart(std::string_view context, std::string_view continuation) const;
  // A whole text, nothing in front, as gpt-variations does. Error where it does not fit.
  std::vector<int32_t> encode_text(std::string_view text) const;
  // Error unless decoding gives `text` again: a tokenizer that cannot spell a choice scores another
  // one.
  void check_spelling(std::string_view text) const;

 private:
  std::vector<int32_t> tokens_of(std::string_view text) const;
  Request fitted(std::vector<int32_t> context, std::vector<int32_t> continuation) const;

  const Tokenizer& tokenizer_;
  i64 begin_token_, context_length_;
  std::string last_context_;  // choices beside each other share it
  size_t n_last_ = 0;
};

// An item's choices in tokens. Under gpt-variations whole texts have no context, which no Scorer
// takes as a Request: they are in `texts`.
struct EncodedItem {
  std::vector<Request> requests;
  std::vector<std::vector<int32_t>> texts;
  i64 n_tokens() const;  // of all choices
};

// All of them, so that what no model can be asked shows before the first is scored. `where` names
// the task in errors.
std::vector<EncodedItem> encode_items(std::span<const ChoiceItem> items, Protocol protocol,
                                      const Tokenizer& tokenizer, i64 begin_token,
                                      i64 context_length, const std::string& where);

// A score a choice: ln p of the continuation; of a whole text Σ ln p over its positions and all of
// the vocabulary. In order: items [first, first + scores.size()).
using OnScores = std::function<void(size_t first, std::span<const std::vector<double>> scores,
                                    double share_done, double seconds_left)>;

// Scores the items, a group at a time, and hands on each group's. Error where a score is not
// finite.
void score_items(Scorer& scorer, std::span<const EncodedItem* const> items,
                 const OnScores& on_scores);

}  // namespace lathe
