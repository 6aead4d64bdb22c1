#include "text/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <vector>

#include "base/error.h"

namespace lathe {
namespace {

constexpr i64 kMinVocab = 257;
constexpr i64 kMaxVocab = i64{1} << 22;
constexpr i64 kMinCount = 2;  // a pair seen once is no regularity

using PairKey = uint64_t;

PairKey key_of(int32_t left, int32_t right) {
  return PairKey{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}
int32_t left_of(PairKey key) { return static_cast<int32_t>(key >> 32); }
int32_t right_of(PairKey key) { return static_cast<int32_t>(key & 0xFFFFFFFFu); }

struct Word {
  std::vector<int32_t> symbols;
  i64 count;
};

struct PairInfo {
  i64 count = 0;
  std::vector<uint32_t> words;  // that hold or held the pair; may repeat
};

struct Candidate {
  i64 count;
  PairKey key;
  // priority_queue gives the largest: the highest count, then the lowest ids.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : key > other.key;
  }
};

class Trainer {
 public:
  explicit Trainer(const WordCounts& counts) {
    std::array<int32_t, 256> id_of_byte{};
    for (int32_t id = 0; id < 256; ++id) {
      const uint8_t byte = gpt2_byte_order()[static_cast<size_t>(id)];
      id_of_byte[byte] = id;
      add_token(byte_characters()[byte]);
    }
    for (const auto& [text, count] : counts.words()) {
      Word word{{}, count};
      for (const char c : text) word.symbols.push_back(id_of_byte[static_cast<uint8_t>(c)]);
      words_.push_back(std::move(word));
    }
    for (size_t w = 0; w < words_.size(); ++w) {
      const Word& word = words_[w];
      for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
        change(key_of(word.symbols[i], word.symbols[i + 1]), word.count, static_cast<uint32_t>(w));
      }
    }
    queue_touched();
  }

  // False: no pair is left that occurs often enough.
  bool step() {
    while (!queue_.empty()) {
      const Candidate top = queue_.top();
      queue_.pop();
      // Counts that have fallen since are queued again; one that has been merged is gone.
      const auto found = pairs_.find(top.key);
      if (found == pairs_.end() || found->second.count != top.count) continue;
      if (top.count < kMinCount) return false;
      merge(top.key);
      return true;
    }
    return false;
  }

  i64 n_tokens() const { return static_cast<i64>(definition_.tokens.size()); }

  BpeTraining finish() {
    BpeTraining result;
    for (const Word& word : words_) {
      result.n_tokens += word.count * static_cast<i64>(word.symbols.size());
    }
    definition_.patterns = {kGpt2Pattern};
    definition_.added.push_back({static_cast<int32_t>(n_tokens()), std::string(kEndOfText), true});
    definition_.tokens.emplace_back(kEndOfText);
    result.definition = std::move(definition_);
    return result;
  }

 private:
  // The id of `token`: two different merges may spell the same one.
  int32_t add_token(const std::string& token) {
    const auto [position, is_new] = ids_.emplace(token, static_cast<int32_t>(n_tokens()));
    if (is_new) definition_.tokens.push_back(token);
    return position->second;
  }

  void change(PairKey key, i64 difference, uint32_t word) {
    PairInfo& info = pairs_[key];
    info.count += difference;
    if (difference > 0 && (info.words.empty() || info.words.back() != word)) {
      info.words.push_back(word);
    }
    touched_.push_back(key);
  }

  void queue_touched() {
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (const PairKey key : touched_) {
      const i64 count = pairs_[key].count;
      if (count > 0) queue_.push({count, key});
      if (count == 0) pairs_.erase(key);
    }
    touched_.clear();
  }

  void merge(PairKey key) {
    const int32_t left = left_of(key);
    const int32_t right = right_of(key);
    const auto& tokens = definition_.tokens;
    const int32_t merged =
        add_token(tokens[static_cast<size_t>(left)] + tokens[static_cast<size_t>(right)]);
    definition_.merges.push_back({left, right, merged});
    const std::vector<uint32_t> where = std::move(pairs_[key].words);
    pairs_.erase(key);
    for (const uint32_t w : where) merge_in(w, key, merged);
    queue_touched();
  }

  // Replaces the pair in one word, from the left, and moves the counts of its neighbours along.
  void merge_in(uint32_t index, PairKey key, int32_t merged) {
    Word& word = words_[index];
    auto& s = word.symbols;
    const int32_t left = left_of(key);
    const int32_t right = right_of(key);
    size_t out = 0;
    for (size_t in = 0; in < s.size(); ++in, ++out) {
      s[out] = s[in];
      if (in + 1 >= s.size() || s[in] != left || s[in + 1] != right) continue;
      if (out > 0) {
        forget(s[out - 1], left, key, word.count, index);
        change(key_of(s[out - 1], merged), word.count, index);
      }
      if (in + 2 < s.size()) {
        forget(right, s[in + 2], key, word.count, index);
        change(key_of(merged, s[in + 2]), word.count, index);
      }
      s[out] = merged;
      ++in;
    }
    s.resize(out);
  }

  // A pair is gone from a word; the merged pair itself is no longer counted.
  void forget(int32_t left, int32_t right, PairKey merged_pair, i64 count, uint32_t word) {
    const PairKey key = key_of(left, right);
    if (key != merged_pair) change(key, -count, word);
  }

  BpeDefinition definition_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<PairKey, PairInfo> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<PairKey> touched_;
};

}  // namespace

WordCounts::WordCounts() : pretokenizer_({kGpt2Pattern}) {}

void WordCounts::add(std::string_view text) {
  n_bytes_ += static_cast<i64>(text.size());
  Pretokenizer::Matcher matcher(pretokenizer_);
  std::string word;
  matcher.split(text, [&](std::string_view piece) {
    word.assign(piece);
    ++words_[word];
  });
}

void WordCounts::merge(const WordCounts& other) {
  for (const auto& [word, count] : other.words_) words_[word] += count;
  n_bytes_ += other.n_bytes_;
}

BpeTraining train_bpe(const WordCounts& counts, i64 vocab_size,
                      const std::function<void(i64)>& progress) {
  if (vocab_size < kMinVocab || vocab_size > kMaxVocab) {
    fail("[tokenizer train] vocabulary size {}, expected {} (256 bytes and {}) to {}", vocab_size,
         kMinVocab, kEndOfText, kMaxVocab);
  }
  Trainer trainer(counts);
  while (trainer.n_tokens() + 1 < vocab_size && trainer.step()) {
    if (progress && trainer.n_tokens() % 256 == 0) progress(trainer.n_tokens());
  }
  return trainer.finish();
}

}  // namespace lathe
