// Learns byte-level BPE merges from text, with GPT-2's pre-tokenisation.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/integer.h"
#include "text/bpe_definition.h"
#include "text/pretokenizer.h"

namespace lathe {

// How often each pre-tokenised word occurs. One thread at a time; counts of several threads can be
// merged, and the order in which texts come does not matter.
class WordCounts {
 public:
  WordCounts();
  // `text` may be any bytes. Texts are separate: no word spans two of them.
  void add(std::string_view text);
  void merge(const WordCounts& other);

  // Word (raw bytes) → occurrences.
  const std::unordered_map<std::string, i64>& words() const { return words_; }
  i64 n_bytes() const { return n_bytes_; }

 private:
  Pretokenizer pretokenizer_;
  std::unordered_map<std::string, i64> words_;
  i64 n_bytes_ = 0;
};

struct BpeTraining {
  BpeDefinition definition;
  i64 n_tokens = 0;  // that the counted text has with this vocabulary, for bytes per token
};

// Learns 256 bytes (in GPT-2's order), then merges, then <|endoftext|> as the last id, `vocab_size`
// in all (at least 257; throws Error below). Always merges the most frequent pair, of equally
// frequent ones that with the lowest ids. Stops early, with a smaller vocabulary, when no pair
// occurs twice. `progress(tokens so far)` is called now and then; it may be empty.
BpeTraining train_bpe(const WordCounts& counts, i64 vocab_size,
                      const std::function<void(i64)>& progress = {});

}  // namespace lathe
