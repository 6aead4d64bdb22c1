#include "text/bpe_word_encoder.h"

#include <algorithm>

#include "base/utf8.h"

namespace lathe {
BpeWordEncoder::BpeWordEncoder(const BpeDefinition& definition,
                               const std::vector<std::string>& bytes,
                               const std::array<int32_t, 256>& byte_ids,
                               std::unordered_map<uint32_t, int32_t> characters)
    : uses_characters_(definition.alphabet == BpeDefinition::Alphabet::kByteFallback),
      merges_(definition.merges.size()),
      byte_ids_(byte_ids),
      characters_(std::move(characters)) {
  for (size_t i = 0; i < definition.merges.size(); ++i) {
    const auto& merge = definition.merges[i];
    merges_.add(merge.left, merge.right, {static_cast<int32_t>(i), merge.merged});
  }
  index_joints(definition, bytes);
}

void BpeWordEncoder::index_joints(const BpeDefinition& definition,
                                  const std::vector<std::string>& bytes) {
  if (uses_characters_) {
    joints_.set();
    return;
  }
  for (const auto& merge : definition.merges) {
    const std::string& left = bytes[static_cast<size_t>(merge.left)];
    const std::string& right = bytes[static_cast<size_t>(merge.right)];
    if (left.empty() || right.empty()) continue;
    joints_.set(static_cast<uint8_t>(left.back()) * 256u + static_cast<uint8_t>(right.front()));
  }
  // Where a byte is dropped, those round it are neighbours.
  for (size_t missing = 0; missing < 256; ++missing) {
    for (size_t other = 0; byte_ids_[missing] < 0 && other < 256; ++other) {
      joints_.set(missing * 256 + other);
      joints_.set(other * 256 + missing);
    }
  }
}

void BpeWordEncoder::take_whole_tokens(const std::vector<std::string>& bytes) {
  for (size_t id = 0; id < bytes.size(); ++id) {
    if (!bytes[id].empty()) whole_.emplace(bytes[id], static_cast<int32_t>(id));
  }
}

void BpeWordEncoder::learn_vocabulary(const std::vector<std::string>& bytes) {
  State state(*this);
  ShortWordCache learnt(bytes.size());
  for (const std::string& word : bytes) {
    if (word.empty() || word.size() > ShortWordCache::kMaxBytes) continue;
    encode(word, state);
    const auto key = ShortWordCache::make_key(word.data(), word.size(), word.size());
    const uint64_t hash = key.hash();
    if (learnt.find(key, hash) == nullptr) learnt.store(key, hash, state.symbols);
  }
  vocabulary_ = std::move(learnt);
}

void BpeWordEncoder::append(std::span<const std::string_view> pieces, const char* end, State& state,
                            std::vector<int32_t>& out) const {
  std::array<ShortWordCache::Key, kAhead> keys;
  std::array<uint64_t, kAhead> hashes;
  // Four a word are written, whatever their number.
  std::array<int32_t, (kAhead + 1) * ShortWordCache::kInlineIds> ids;
  for (; !pieces.empty(); pieces = pieces.subspan(std::min(pieces.size(), kAhead))) {
    const size_t n = std::min(pieces.size(), kAhead);
    for (size_t i = 0; i < n; ++i) {
      const std::string_view piece = pieces[i];
      if (piece.size() > ShortWordCache::kMaxBytes) continue;
      keys[i] = ShortWordCache::make_key(piece.data(), piece.size(),
                                         static_cast<size_t>(end - piece.data()));
      hashes[i] = keys[i].hash();
      state.short_words.prefetch(hashes[i]);
    }
    size_t n_ids = 0;
    const auto flush = [&] {
      out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n_ids));
      n_ids = 0;
    };
    for (size_t i = 0; i < n; ++i) {
      if (pieces[i].size() > ShortWordCache::kMaxBytes) {
        flush();
        append_long(pieces[i], state, out);
        continue;
      }
      const ShortWordCache::Entry* found = state.short_words.find(keys[i], hashes[i]);
      if (found != nullptr && found->n_ids() <= ShortWordCache::kInlineIds) {
        std::memcpy(&ids[n_ids], found->ids.data(), sizeof found->ids);
        n_ids += found->n_ids();
        continue;
      }
      flush();
      append_short(pieces[i], keys[i], hashes[i], state, out);
    }
    flush();
  }
  state.shrink();
}

void BpeWordEncoder::append_short(std::string_view piece, ShortWordCache::Key key, uint64_t hash,
                                  State& state, std::vector<int32_t>& out) const {
  if (const ShortWordCache::Entry* found = state.short_words.find(key, hash)) {
    const auto ids = state.short_words.ids_of(*found);
    out.insert(out.end(), ids.begin(), ids.end());
    return;
  }
  encode(piece, state);
  out.insert(out.end(), state.symbols.begin(), state.symbols.end());
  if (!state.short_words.store(key, hash, state.symbols)) {
    state.short_words = ShortWordCache(vocabulary_);
  }
}

void BpeWordEncoder::append_long(std::string_view piece, State& state,
                                 std::vector<int32_t>& out) const {
  if (piece.size() > WordCache::kMaxBytes) {
    append_parts(piece, state, out);
    return;
  }
  WordCache::Slot& slot = state.words.slot_of(piece);
  if (slot.holds(piece)) {
    out.insert(out.end(), slot.ids.begin(), slot.ids.begin() + slot.n_ids);
    return;
  }
  const size_t before = out.size();
  append_parts(piece, state, out);
  const auto ids = std::span(out).subspan(before);
  if (ids.size() <= WordCache::kMaxIds) slot.store(piece, ids);
}

// Cuts where no merge can join, so that most long pieces become short words.
void BpeWordEncoder::append_parts(std::string_view piece, State& state,
                                  std::vector<int32_t>& out) const {
  if (const auto whole = whole_.find(piece); whole != whole_.end()) {
    out.push_back(whole->second);
    return;
  }
  const char* const end = piece.data() + piece.size();
  for (size_t begin = 0, at = 1; begin < piece.size(); ++at) {
    if (at < piece.size() &&
        joints_[static_cast<uint8_t>(piece[at - 1]) * 256u + static_cast<uint8_t>(piece[at])]) {
      continue;
    }
    const std::string_view part = piece.substr(begin, at - begin);
    begin = at;
    // With ignore_merges a part has other tokens than the same bytes as a piece.
    if (whole_.empty() && part.size() <= ShortWordCache::kMaxBytes) {
      const auto key = ShortWordCache::make_key(part.data(), part.size(),
                                                static_cast<size_t>(end - part.data()));
      append_short(part, key, key.hash(), state, out);
    } else {
      merge(part, state);
      out.insert(out.end(), state.symbols.begin(), state.symbols.end());
    }
  }
}

void BpeWordEncoder::encode(std::string_view piece, State& state) const {
  const auto whole = whole_.find(piece);
  if (whole != whole_.end()) {
    state.symbols.assign(1, whole->second);
  } else {
    merge(piece, state);
  }
}

void BpeWordEncoder::merge(std::string_view piece, State& state) const {
  to_symbols(piece, state.symbols);
  merge_symbols(merges_, state.symbols, state.merge);
}

void BpeWordEncoder::to_symbols(std::string_view piece, std::vector<int32_t>& symbols) const {
  symbols.clear();
  if (!uses_characters_) {
    // Some vocabularies lack bytes that no text has, and the original drops them.
    for (const char c : piece) {
      const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
      if (id >= 0) symbols.push_back(id);
    }
    return;
  }
  while (!piece.empty()) {
    const CodePoint c = read_code_point(piece);
    const auto known = c.length > 0 ? characters_.find(c.value) : characters_.end();
    if (known != characters_.end()) symbols.push_back(known->second);
    const size_t n = std::max<size_t>(c.length, 1);
    for (size_t i = 0; known == characters_.end() && i < n; ++i) {
      symbols.push_back(byte_ids_[static_cast<uint8_t>(piece[i])]);
    }
    piece.remove_prefix(n);
  }
}

}  // namespace lathe
