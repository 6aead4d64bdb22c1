#include "eval/multiple_choice.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "eval/python_text.h"

namespace lathe {

namespace {

// Scored together: enough for an engine to fill its passes, and soon enough on the disk.
constexpr size_t kGroupItems = 32;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::vector<int32_t> PairEncoder::tokens_of(std::string_view text) const {
  std::vector<int32_t> tokens;
  if (begin_token_ >= 0) tokens.push_back(static_cast<int32_t>(begin_token_));
  tokenizer_.append_ids(text, tokens);
  return tokens;
}

Request PairEncoder::encode(std::string_view context, std::string_view continuation) {
  const std::string_view kept = strip_right(context);
  const std::string moved = std::string(context.substr(kept.size())) + std::string(continuation);
  if (kept.empty()) {
    std::vector<int32_t> tokens = tokenizer_.encode(moved);
    int32_t prefix = static_cast<int32_t>(begin_token_);
    if (prefix < 0) {
      const auto id =
          tokenizer_.begin_of_text() ? tokenizer_.begin_of_text() : tokenizer_.end_of_text();
      if (!id) fail("[eval] an empty context, and the tokenizer has no token that begins a text");
      prefix = *id;
    }
    if (!tokens.empty() && tokens[0] == prefix) tokens.erase(tokens.begin());
    return fitted({prefix}, std::move(tokens));
  }
  if (kept != last_context_ || n_last_ == 0) {
    last_context_ = kept;
    n_last_ = tokens_of(kept).size();
  }
  std::vector<int32_t> whole = tokens_of(std::string(kept) + moved);
  const size_t n = std::min(n_last_, whole.size());
  std::vector<int32_t> rest(whole.begin() + static_cast<std::ptrdiff_t>(n), whole.end());
  whole.resize(n);
  return fitted(std::move(whole), std::move(rest));
}

Request PairEncoder::encode_apart(std::string_view context, std::string_view continuation) const {
  return fitted(tokenizer_.encode(context), tokenizer_.encode(continuation));
}

std::vector<int32_t> PairEncoder::encode_text(std::string_view text) const {
  std::vector<int32_t> tokens = tokenizer_.encode(text);
  if (tokens.empty() || static_cast<i64>(tokens.size()) > context_length_) {
    fail("[eval] a text of {} tokens, expected 1 to the context's {}", tokens.size(),
         context_length_);
  }
  return tokens;
}

Request PairEncoder::fitted(std::vector<int32_t> context, std::vector<int32_t> continuation) const {
  const auto n = static_cast<i64>(continuation.size());
  if (n == 0) fail("[eval] a choice without tokens, expected at least one");
  if (context.empty()) fail("[eval] a context without tokens, expected at least one");
  if (n > context_length_) {
    fail("[eval] a choice of {} tokens does not fit the context of {}", n, context_length_);
  }
  const i64 room = context_length_ + 1 - n;  // the last token is not fed
  const i64 excess = static_cast<i64>(context.size()) - room;
  if (excess > 0) context.erase(context.begin(), context.begin() + excess);
  return {std::move(context), std::move(continuation)};
}

void PairEncoder::check_spelling(std::string_view text) const {
  const std::string back = tokenizer_.decode(tokenizer_.encode(text));
  if (back == text) return;
  fail(
      "[eval] the tokenizer spells '{}' as '{}': it cannot spell the choices; take a model with "
      "another tokenizer",
      text.substr(0, 80), std::string_view(back).substr(0, 80));
}

i64 EncodedItem::n_tokens() const {
  size_t n = 0;
  for (const Request& r : requests) n += r.context.size() + r.continuation.size();
  for (const auto& text : texts) n += text.size();
  return static_cast<i64>(n);
}

std::vector<EncodedItem> encode_items(std::span<const ChoiceItem> items, Protocol protocol,
                                      const Tokenizer& tokenizer, i64 begin_token,
                                      i64 context_length, const std::string& where) {
  PairEncoder encoder(tokenizer, begin_token, context_length);
  std::vector<EncodedItem> out;
  for (const ChoiceItem& item : items) {
    EncodedItem encoded;
    for (const Choice& choice : item.choices) {
      blaming(format("{}, item {}", where, item.doc), [&] {
        encoder.check_spelling(choice.continuation);
        // Where contexts differ they are the choices.
        if (choice.context != item.choices[0].context) encoder.check_spelling(choice.context);
        if (protocol == Protocol::kHarness) {
          encoded.requests.push_back(encoder.encode(choice.context, choice.continuation));
        } else if (choice.context.empty()) {
          encoded.texts.push_back(encoder.encode_text(choice.continuation));
        } else {
          encoded.requests.push_back(encoder.encode_apart(choice.context, choice.continuation));
        }
      });
    }
    out.push_back(std::move(encoded));
  }
  return out;
}

void score_items(Scorer& scorer, std::span<const EncodedItem* const> items,
                 const OnScores& on_scores) {
  double all = 0, done = 0;
  for (const EncodedItem* item : items) all += static_cast<double>(item->n_tokens());
  const double start = seconds_now();
  for (size_t first = 0; first < items.size(); first += kGroupItems) {
    const auto group = items.subspan(first, std::min(kGroupItems, items.size() - first));
    // Requests of like length go together.
    std::vector<size_t> order(group.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return group[a]->n_tokens() > group[b]->n_tokens();
    });
    std::vector<Request> requests;
    std::vector<std::vector<int32_t>> texts;
    for (const size_t i : order) {
      requests.insert(requests.end(), group[i]->requests.begin(), group[i]->requests.end());
      texts.insert(texts.end(), group[i]->texts.begin(), group[i]->texts.end());
    }
    std::vector<double> scores;
    if (!requests.empty()) {
      for (const Score& s : scorer.score(requests, false)) scores.push_back(s.log_likelihood);
    } else {
      scores = scorer.score_vocabulary(texts);
    }
    std::vector<std::vector<double>> by_item(group.size());
    auto next = scores.begin();
    for (const size_t i : order) {
      const auto end =
          next + static_cast<std::ptrdiff_t>(group[i]->requests.size() + group[i]->texts.size());
      by_item[i].assign(next, end);
      next = end;
      done += static_cast<double>(group[i]->n_tokens());
    }
    for (const double s : scores) {
      if (!std::isfinite(s)) fail("[eval] a score is {}: the model's values are not finite", s);
    }
    on_scores(first, by_item, done / all, (seconds_now() - start) * (all - done) / done);
  }
}

}  // namespace lathe
