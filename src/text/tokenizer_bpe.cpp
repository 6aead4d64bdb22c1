#include "text/tokenizer_bpe.h"

#include <algorithm>

#include "base/atomic_file.h"
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
  std::string text;

  // One huge text must not hold its memory for ever.
  void shrink() {
    if (text.capacity() > kKeptBytes) text = {};
  }
  static constexpr size_t kKeptBytes = size_t{1} << 18;
};

BpeTokenizer::BpeTokenizer(BpeDefinition definition, std::string json, const std::string& where)
    : alphabet_(definition.alphabet),
      add_prefix_space_(definition.add_prefix_space),
      prepend_space_(definition.prepend_space),
      strip_spaces_(definition.strip_spaces),
      json_(std::move(json)),
      pretokenizer_(definition.patterns),
      bytes_(std::move(definition.tokens)) {
  byte_ids_.fill(-1);
  for (auto& token : definition.added) {
    (token.special ? special_ : plain_).push_back(std::move(token));
  }
  if (alphabet_ == BpeDefinition::Alphabet::kBytes) {
    index_bytes(where);
    words_.emplace(definition, bytes_, byte_ids_, Characters());
  } else {
    Characters characters = index_fallback(where);
    words_.emplace(definition, bytes_, byte_ids_, std::move(characters));
  }
  index_added();
  if (definition.ignore_merges) words_->take_whole_tokens(bytes_);
  if (alphabet_ == BpeDefinition::Alphabet::kBytes) words_->learn_vocabulary(bytes_);
}

BpeTokenizer::~BpeTokenizer() = default;

void BpeTokenizer::index_bytes(const std::string& where) {
  std::string spelt;
  for (size_t id = 0; id < bytes_.size(); ++id) {
    if (!spell_bytes(bytes_[id], spelt)) continue;  // an added token, or never reached
    bytes_[id] = spelt;
    if (spelt.size() == 1) byte_ids_[static_cast<uint8_t>(spelt[0])] = static_cast<int32_t>(id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (byte_ids_[byte] >= 0) continue;
    fail(
        "[tokenizer] {}: no token for the byte {} ('{}'), expected all 256; some texts could not "
        "be encoded",
        where, byte, byte_characters()[byte]);
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

void BpeTokenizer::index_added() {
  for (const auto& token : special_) bytes_[static_cast<size_t>(token.id)].clear();
  for (const auto& token : plain_) {
    bytes_[static_cast<size_t>(token.id)] = token.content;
    starts_plain_[static_cast<uint8_t>(token.content[0])] = true;
  }
  std::stable_sort(plain_.begin(), plain_.end(), [](const auto& a, const auto& b) {
    return a.content.size() > b.content.size();
  });
}

size_t BpeTokenizer::next_added(std::string_view text,
                                const BpeDefinition::AddedToken*& found) const {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!starts_plain_[static_cast<uint8_t>(text[at])]) continue;
    for (const auto& token : plain_) {
      if (!text.substr(at).starts_with(token.content)) continue;
      found = &token;
      return at;
    }
  }
  return text.size();
}

void BpeTokenizer::append_ids(std::string_view text, std::vector<int32_t>& out) const {
  if (text.empty()) return;
  ScratchPool<Scratch>::Borrowed scratch(
      pool_, [this] { return std::make_unique<Scratch>(pretokenizer_, *words_); });
  if (alphabet_ == BpeDefinition::Alphabet::kByteFallback) {
    scratch->text =
        (prepend_space_ ? std::string(kSpaceMark) : "") + replace_all(text, " ", kSpaceMark);
    append_marked(scratch->text, *scratch, out);
  } else if (add_prefix_space_ && text[0] != ' ') {
    scratch->text = " " + std::string(text);
    append_with_added(scratch->text, *scratch, out);
  } else {
    append_with_added(text, *scratch, out);
  }
  scratch->shrink();
}

void BpeTokenizer::append_with_added(std::string_view text, Scratch& scratch,
                                     std::vector<int32_t>& out) const {
  while (!text.empty()) {
    const BpeDefinition::AddedToken* added = nullptr;
    const size_t at = plain_.empty() ? text.size() : next_added(text, added);
    append_section(text.substr(0, at), scratch, out);
    text.remove_prefix(at);
    if (added == nullptr) break;
    out.push_back(added->id);
    text.remove_prefix(added->content.size());
  }
}

void BpeTokenizer::append_section(std::string_view text, Scratch& scratch,
                                  std::vector<int32_t>& out) const {
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

std::string BpeTokenizer::save(const std::string& dir) const {
  write_file_atomically(dir + "/tokenizer.json", json_);
  return "tokenizer.json";
}

}  // namespace lathe
