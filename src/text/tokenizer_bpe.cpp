#include "text/tokenizer_bpe.h"

#include "base/error.h"
#include "base/utf8.h"

namespace lathe {
namespace {

// The bytes that a byte-level token stands for; false when a character is no byte's stand-in.
bool spell_bytes(std::string_view token, std::string& out) {
  out.clear();
  while (!token.empty()) {
    const CodePoint c = read_code_point(token);
    const int byte = c.length > 0 ? byte_of_character(c.value) : -1;
    if (byte < 0) return false;
    out.push_back(static_cast<char>(byte));
    token.remove_prefix(c.length);
  }
  return true;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (;;) {
    const size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

// The byte of "<0xAB>", or -1.
int fallback_byte(std::string_view token) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const size_t high = kHex.find(token[3]);
  const size_t low = kHex.find(token[4]);
  if (high == kHex.npos || low == kHex.npos) return -1;
  return static_cast<int>(high * 16 + low);
}

// Pieces of one text on their way to the encoder, which likes many at once.
class PieceBatch {
 public:
  explicit PieceBatch(std::string_view text) : end_(text.data() + text.size()) {}

  // True: full, so that encode() must come before the next one.
  bool add(std::string_view piece) {
    pieces_[n_++] = piece;
    return n_ == pieces_.size();
  }

  void encode(const BpeWordEncoder& words, BpeWordEncoder::State& state,
              std::vector<int32_t>& out) {
    words.append(std::span(pieces_).first(n_), end_, state, out);
    n_ = 0;
  }

 private:
  const char* end_;
  size_t n_ = 0;
  std::array<std::string_view, BpeWordEncoder::kAhead> pieces_;
};

}  // namespace

// What one encoding thread needs; kept between calls, since the caches in it are worth it.
struct BpeTokenizer::Scratch {
  Scratch(const Pretokenizer& pretokenizer, const BpeWordEncoder& encoder)
      : matcher(pretokenizer), words(encoder) {}
  Pretokenizer::Matcher matcher;
  BpeWordEncoder::State words;
  std::string text, normalized;

  // One huge text must not hold its memory for ever.
  void shrink() {
    if (text.capacity() > kKeptBytes) text = {};
    if (normalized.capacity() > kKeptBytes) normalized = {};
  }
  static constexpr size_t kKeptBytes = size_t{1} << 18;
};

BpeTokenizer::BpeTokenizer(BpeDefinition definition, std::string json, const std::string& where)
    : alphabet_(definition.alphabet),
      add_prefix_space_(definition.add_prefix_space),
      space_prefix_(definition.space_prefix),
      strip_spaces_(definition.strip_spaces),
      json_(std::move(json)),
      normalizer_(definition.normalization),
      pretokenizer_(definition.patterns),
      bytes_(std::move(definition.tokens)) {
  byte_ids_.fill(-1);
  if (alphabet_ == BpeDefinition::Alphabet::kBytes) {
    index_bytes();
    words_.emplace(definition, bytes_, byte_ids_, Characters());
  } else {
    Characters characters = index_fallback(where);
    words_.emplace(definition, bytes_, byte_ids_, std::move(characters));
  }
  index_added(definition.added);
  if (definition.ignore_merges) words_->take_whole_tokens(bytes_);
  if (alphabet_ == BpeDefinition::Alphabet::kBytes) words_->learn_vocabulary(bytes_);
}

BpeTokenizer::~BpeTokenizer() = default;

void BpeTokenizer::index_bytes() {
  std::string spelt;
  for (size_t id = 0; id < bytes_.size(); ++id) {
    if (!spell_bytes(bytes_[id], spelt)) continue;  // an added token, or never reached
    bytes_[id] = spelt;
    if (spelt.size() == 1) byte_ids_[static_cast<uint8_t>(spelt[0])] = static_cast<int32_t>(id);
  }
}

BpeTokenizer::Characters BpeTokenizer::index_fallback(const std::string& where) {
  Characters characters;
  cuts_at_marks_ = true;
  for (size_t id = 0; id < bytes_.size(); ++id) {
    std::string& token = bytes_[id];
    if (const int byte = fallback_byte(token); byte >= 0) {
      byte_ids_[byte] = static_cast<int32_t>(id);
      token = std::string(1, static_cast<char>(byte));
      continue;
    }
    const CodePoint c = read_code_point(token);
    if (c.length == token.size()) characters[c.value] = static_cast<int32_t>(id);
    for (size_t at = token.find(kSpaceMark); at != token.npos;
         at = token.find(kSpaceMark, at + 1)) {
      if (at > 0 && !std::string_view(token).substr(0, at).ends_with(kSpaceMark)) {
        cuts_at_marks_ = false;
      }
    }
    token = replace_all(token, kSpaceMark, " ");
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte_ids_[byte] >= 0) continue;
    fail("[tokenizer] {}: byte_fallback, but no token for the byte {}, expected <0x00> to <0xFF>",
         where, byte);
  }
  return characters;
}

void BpeTokenizer::index_added(const std::vector<BpeDefinition::AddedToken>& added) {
  for (const auto& token : added) {
    bytes_[static_cast<size_t>(token.id)] = token.special ? "" : token.content;
    if (token.special) {
      special_.push_back(token);
    } else if (token.normalized) {
      std::string buffer;
      auto normalized = token;
      normalized.content = normalizer_.apply(token.content, buffer);
      normalized_.add(std::move(normalized));
    } else {
      raw_.add(token);
    }
  }
}

void BpeTokenizer::append_ids(std::string_view text, std::vector<int32_t>& out) const {
  if (text.empty()) return;
  ScratchPool<Scratch>::Borrowed scratch(
      pool_, [this] { return std::make_unique<Scratch>(pretokenizer_, *words_); });
  if (alphabet_ == BpeDefinition::Alphabet::kByteFallback) {
    scratch->text = replace_all(text, " ", kSpaceMark);
    using Prefix = BpeDefinition::SpacePrefix;
    const bool there = scratch->text.starts_with(kSpaceMark);
    if (space_prefix_ == Prefix::kAlways || (space_prefix_ == Prefix::kUnlessThere && !there)) {
      scratch->text.insert(0, kSpaceMark);
    }
    append_marked(scratch->text, *scratch, out);
  } else {
    raw_.split(
        text, [&](std::string_view section) { append_normalized(section, *scratch, out); },
        [&](int32_t id) { out.push_back(id); });
  }
  scratch->shrink();
}

void BpeTokenizer::append_normalized(std::string_view text, Scratch& scratch,
                                     std::vector<int32_t>& out) const {
  normalized_.split(
      normalizer_.apply(text, scratch.normalized),
      [&](std::string_view section) { append_section(section, scratch, out); },
      [&](int32_t id) { out.push_back(id); });
}

void BpeTokenizer::append_section(std::string_view text, Scratch& scratch,
                                  std::vector<int32_t>& out) const {
  if (add_prefix_space_ && text[0] != ' ') {
    scratch.text = " " + std::string(text);
    text = scratch.text;
  }
  PieceBatch pieces(text);
  scratch.matcher.split(text, [&](std::string_view piece) {
    if (pieces.add(piece)) pieces.encode(*words_, scratch.words, out);
  });
  pieces.encode(*words_, scratch.words, out);
}

// Cuts before each run of "▁", where that cannot change the result.
void BpeTokenizer::append_marked(std::string_view text, Scratch& scratch,
                                 std::vector<int32_t>& out) const {
  PieceBatch pieces(text);
  size_t begin = 0;
  while (cuts_at_marks_ && begin < text.size()) {
    size_t end = begin;
    while (text.substr(end).starts_with(kSpaceMark)) end += kSpaceMark.size();
    end = text.find(kSpaceMark, end);
    if (end == text.npos) break;
    if (pieces.add(text.substr(begin, end - begin))) pieces.encode(*words_, scratch.words, out);
    begin = end;
  }
  if (begin < text.size()) pieces.add(text.substr(begin));
  pieces.encode(*words_, scratch.words, out);
}

std::string BpeTokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    fail("[tokenizer] token id {} is out of range, expected 0 to {}; is this the right tokenizer?",
         id, vocab_size() - 1);
  }
  return bytes_[static_cast<size_t>(id)];
}

std::string BpeTokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += token_bytes(id);
  size_t n_stripped = 0;
  while (n_stripped < static_cast<size_t>(strip_spaces_) && n_stripped < text.size() &&
         text[n_stripped] == ' ') {
    ++n_stripped;
  }
  return text.erase(0, n_stripped);
}

std::optional<int32_t> BpeTokenizer::special_token(std::string_view name) const {
  for (const auto& token : special_) {
    if (token.content == name) return token.id;
  }
  return std::nullopt;
}

std::vector<Tokenizer::SpecialToken> BpeTokenizer::special_tokens() const {
  std::vector<SpecialToken> list;
  for (const auto& token : special_) list.push_back({token.id, token.content});
  return list;
}

}  // namespace lathe
