// Learning BPE merges.
#include "text/bpe_trainer.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "base/error.h"
#include "support/error_text.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

using Pair = std::pair<std::string, std::string>;

std::vector<Pair> merges_of(const BpeTraining& training) {
  std::vector<Pair> merges;
  for (const auto& merge : training.definition.merges) {
    const auto& tokens = training.definition.tokens;
    merges.emplace_back(tokens[static_cast<size_t>(merge.left)],
                        tokens[static_cast<size_t>(merge.right)]);
  }
  return merges;
}

WordCounts count(const std::vector<std::string>& texts) {
  WordCounts counts;
  for (const std::string& text : texts) counts.add(text);
  return counts;
}

// The textbook's algorithm: count all pairs anew before every merge.
std::vector<Pair> naive_training(const WordCounts& counts, size_t n_merges) {
  const auto tokens_of = train_bpe(WordCounts(), 257).definition.tokens;
  std::map<std::string, int> ids;
  std::vector<std::string> tokens(tokens_of.begin(), tokens_of.end() - 1);
  for (size_t i = 0; i < tokens.size(); ++i) ids[tokens[i]] = static_cast<int>(i);
  std::vector<std::pair<std::vector<int>, int64_t>> words;
  for (const auto& [word, n] : counts.words()) {
    std::vector<int> symbols;
    for (const char c : word) symbols.push_back(ids[byte_characters()[static_cast<uint8_t>(c)]]);
    words.emplace_back(symbols, n);
  }
  std::vector<Pair> merges;
  while (merges.size() < n_merges) {
    std::map<std::pair<int, int>, int64_t> pairs;
    for (const auto& [symbols, n] : words) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) pairs[{symbols[i], symbols[i + 1]}] += n;
    }
    std::pair<int, int> best;
    int64_t most = 1;
    for (const auto& [pair, n] : pairs) {
      if (n > most) {
        most = n;
        best = pair;
      }
    }
    if (most < 2) break;
    const std::string& left = tokens[static_cast<size_t>(best.first)];
    const std::string& right = tokens[static_cast<size_t>(best.second)];
    merges.emplace_back(left, right);
    const std::string joined = left + right;
    if (!ids.contains(joined)) {
      ids[joined] = static_cast<int>(tokens.size());
      tokens.push_back(joined);
    }
    for (auto& [symbols, n] : words) {
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        if (symbols[i] != best.first || symbols[i + 1] != best.second) continue;
        symbols[i] = ids[joined];
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  return merges;
}

TEST_CASE("BPE trainer: a worked example") {
  // Words: low ×3, Ġlower ×2. Pairs: l+o 5, o+w 5, then Ġ+l, w+e, e+r 2 each.
  const BpeTraining training = train_bpe(count({"low", "low lower", "low lower"}), 260);
  CHECK(merges_of(training) == std::vector<Pair>{{"l", "o"}, {"lo", "w"}, {"e", "r"}});
  CHECK(training.definition.tokens.size() == 260);
  CHECK(training.definition.tokens.back() == "<|endoftext|>");
  CHECK(training.n_tokens == 3 + 2 * 3);  // low; Ġ low er
}

TEST_CASE("BPE trainer: incremental counts give what counting anew gives") {
  std::mt19937 random(4);
  for (int round = 0; round < 20; ++round) {
    std::string text;
    for (int i = 0; i < 600; ++i) text += "aaab  c\xFF"[random() % 8];
    const WordCounts counts = count({text});
    // Room for more merges than the text gives: both stop where no pair occurs twice.
    const BpeTraining training = train_bpe(counts, 257 + (round < 10 ? 40 : 2000));
    CHECK(merges_of(training) ==
          naive_training(counts, training.definition.merges.size() + (round < 10 ? 0 : 1)));
  }
}

TEST_CASE("BPE trainer: the order and the division of the texts do not matter") {
  const std::vector<std::string> texts = {"the cat", "the dog", " a cat and a dog", "été été"};
  const std::vector<std::string> reversed(texts.rbegin(), texts.rend());
  WordCounts merged = count({texts[0], texts[1]});
  merged.merge(count({texts[2], texts[3]}));
  const std::string expected = to_tokenizer_json(train_bpe(count(texts), 280).definition);
  CHECK(to_tokenizer_json(train_bpe(count(reversed), 280).definition) == expected);
  CHECK(to_tokenizer_json(train_bpe(merged, 280).definition) == expected);
  CHECK(merged.n_bytes() == count(texts).n_bytes());
}

TEST_CASE("BPE trainer: stops early when no pair occurs twice") {
  const BpeTraining training = train_bpe(count({"abc abd"}), 1000);
  CHECK(merges_of(training) == std::vector<Pair>{{"a", "b"}});
  CHECK(training.definition.tokens.size() == 258);
}

TEST_CASE("BPE trainer: a vocabulary below 257 or beyond reason is an error") {
  CHECK(test::contains(test::error_text([] { train_bpe(WordCounts(), 256); }),
                       "vocabulary size 256, expected 257"));
  CHECK(test::contains(test::error_text([] { train_bpe(WordCounts(), int64_t{1} << 40); }),
                       "expected 257"));
  CHECK(train_bpe(WordCounts(), 257).definition.tokens.size() == 257);
}

TEST_CASE("BPE trainer: what it writes loads again and encodes as counted") {
  const std::string text = "the cat sat on the mat, the cat sat on the hat.\n\n  The end \xFF";
  const BpeTraining training = train_bpe(count({text}), 264);
  const auto tokenizer = parse_tokenizer_json(to_tokenizer_json(training.definition), "t");
  CHECK(tokenizer->vocab_size() == 264);
  CHECK(tokenizer->end_of_text() == 263);
  CHECK(static_cast<int64_t>(tokenizer->encode(text).size()) == training.n_tokens);
  CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
}

}  // namespace
}  // namespace lathe
