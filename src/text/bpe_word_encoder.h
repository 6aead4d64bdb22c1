// Pieces of text to tokens: caches of words over the merges of a BPE tokenizer. Knows nothing of
// how text is cut into pieces.
#pragma once

#include <array>
#include <bitset>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/bpe_definition.h"
#include "text/bpe_merges.h"
#include "text/short_word_cache.h"
#include "text/word_cache.h"

namespace lathe {

// Const after construction; every thread has a State of its own. What a State remembers never
// changes the tokens.
class BpeWordEncoder {
 public:
  class State;
  // Words whose places in the cache are asked for before the first is looked at.
  static constexpr size_t kAhead = 256;

  // `bytes` are the bytes of each token as it may come out of merges ("" for one that cannot), and
  // outlive this; `byte_ids` the ids of single bytes; `characters` those of code points
  // (kByteFallback, else empty).
  BpeWordEncoder(const BpeDefinition& definition, const std::vector<std::string>& bytes,
                 const std::array<int32_t, 256>& byte_ids,
                 std::unordered_map<uint32_t, int32_t> characters);

  // Pieces that are tokens are these tokens, whatever the merges say, from now on
  // (`ignore_merges`). Before learn_vocabulary().
  void take_whole_tokens(const std::vector<std::string>& bytes);
  // Lets every State begin with the tokens of the vocabulary's own short words.
  void learn_vocabulary(const std::vector<std::string>& bytes);

  // Appends the tokens of each piece. The pieces are not empty, lie in one text in its order, and
  // `end` is the end of that text.
  void append(std::span<const std::string_view> pieces, const char* end, State& state,
              std::vector<int32_t>& out) const;

 private:
  void append_short(std::string_view piece, ShortWordCache::Key key, uint64_t hash, State& state,
                    std::vector<int32_t>& out) const;
  void append_long(std::string_view piece, State& state, std::vector<int32_t>& out) const;
  void append_parts(std::string_view piece, State& state, std::vector<int32_t>& out) const;
  // The tokens of `piece`, in state.symbols: that which it is, or those of the merges.
  void encode(std::string_view piece, State& state) const;
  void merge(std::string_view piece, State& state) const;
  void to_symbols(std::string_view piece, std::vector<int32_t>& symbols) const;
  void index_joints(const BpeDefinition& definition, const std::vector<std::string>& bytes);

  bool uses_characters_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_;                    // byte → id
  std::unordered_map<uint32_t, int32_t> characters_;     // kByteFallback: code point → id
  std::unordered_map<std::string_view, int32_t> whole_;  // for ignore_merges
  // kBytes: between which two bytes, first · 256 + second, some merge joins. A long piece falls
  // apart everywhere else.
  std::bitset<65536> joints_;
  ShortWordCache vocabulary_;
};

// What one encoding thread remembers and needs.
class BpeWordEncoder::State {
 public:
  explicit State(const BpeWordEncoder& owner) : short_words(owner.vocabulary_) {}

 private:
  friend class BpeWordEncoder;

  // One huge piece must not hold its memory for ever.
  void shrink() {
    if (symbols.capacity() <= kKeptSymbols) return;
    symbols = {};
    merge = {};
  }
  static constexpr size_t kKeptSymbols = size_t{1} << 16;

  ShortWordCache short_words;
  WordCache words;
  MergeScratch merge;
  std::vector<int32_t> symbols;
};

}  // namespace lathe
