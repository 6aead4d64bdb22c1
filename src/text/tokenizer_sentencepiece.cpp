// SentencePiece models by its own library.
#include <sentencepiece_processor.h>

#include <algorithm>

#include "base/error.h"
#include "text/bpe_definition.h"
#include "text/scratch_pool.h"
#include "text/sentencepiece_settings.h"
#include "text/tokenizer.h"
#include "text/word_cache.h"

namespace lathe {
namespace {

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string_view model, const std::string& where) {
    const auto status = processor_.LoadFromSerializedProto(model);
    if (!status.ok()) {
      fail("[tokenizer] {}: not a SentencePiece model ({} bytes): {}; is the file whole?", where,
           model.size(), status.error_message());
    }
    cuts_at_spaces_ = parse_sentencepiece_settings(model).keeps_words_apart() && words_are_apart();
  }

  void append_ids(std::string_view text, std::vector<int32_t>& out) const override {
    if (!cuts_at_spaces_) {
      encode_part(text, out);
      return;
    }
    ScratchPool<WordCache>::Borrowed cache(pool_, [] { return std::make_unique<WordCache>(); });
    while (!text.empty()) {
      const size_t end = next_cut(text);
      append_word(text.substr(0, end), *cache, out);
      // The space at the cut is the one that the model puts before every text.
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  std::string decode(std::span<const int32_t> ids) const override {
    for (const int32_t id : ids) check(id);
    std::string text;
    const auto status = processor_.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    if (!status.ok()) fail("[tokenizer] cannot decode: {}", status.error_message());
    return text;
  }

  std::string token_bytes(int32_t id) const override {
    check(id);
    if (processor_.IsControl(id)) return "";
    const std::string& piece = processor_.IdToPiece(id);
    if (processor_.IsByte(id)) {
      // Spelt "<0xAB>", as the library has checked.
      return std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)));
    }
    if (processor_.IsUnknown(id)) return decode(std::span(&id, 1));
    std::string text;
    for (size_t i = 0; i < piece.size();) {
      const bool mark = piece.compare(i, kSpaceMark.size(), kSpaceMark) == 0;
      text += mark ? ' ' : piece[i];
      i += mark ? kSpaceMark.size() : 1;
    }
    return text;
  }

  i64 vocab_size() const override { return processor_.GetPieceSize(); }

  std::optional<int32_t> special_token(std::string_view name) const override {
    const int32_t id = processor_.PieceToId(name);
    if (processor_.IdToPiece(id) != name || !processor_.IsControl(id)) return std::nullopt;
    return id;
  }

  std::string_view kind() const override { return "sentencepiece"; }

  std::vector<SpecialToken> special_tokens() const override {
    std::vector<SpecialToken> list;
    for (int32_t id = 0; id < static_cast<int32_t>(vocab_size()); ++id) {
      if (processor_.IsControl(id)) list.push_back({id, processor_.IdToPiece(id)});
    }
    return list;
  }
  std::string_view file_name() const override { return "tokenizer.model"; }
  std::string file_content() const override { return processor_.serialized_model_proto(); }

 private:
  void check(int32_t id) const {
    if (id >= 0 && id < vocab_size()) return;
    fail("[tokenizer] token id {} is out of range, expected 0 to {}; is this the right tokenizer?",
         id, vocab_size() - 1);
  }

  void encode_part(std::string_view text, std::vector<int32_t>& out) const {
    std::vector<int> ids;
    const auto status = processor_.Encode(text, &ids);
    if (!status.ok()) fail("[tokenizer] cannot encode: {}", status.error_message());
    out.insert(out.end(), ids.begin(), ids.end());
  }

  void append_word(std::string_view word, WordCache& cache, std::vector<int32_t>& out) const {
    if (word.size() > WordCache::kMaxBytes) {
      encode_part(word, out);
      return;
    }
    WordCache::Slot& slot = cache.slot_of(word);
    if (!slot.holds(word)) {
      const size_t before = out.size();
      encode_part(word, out);
      const auto ids = std::span(out).subspan(before);
      if (ids.size() <= WordCache::kMaxIds) slot.store(word, ids);
      return;
    }
    out.insert(out.end(), slot.ids.begin(), slot.ids.begin() + slot.n_ids);
  }

  // Where the first run of spaces begins that has text on both sides; the size: nowhere.
  static size_t next_cut(std::string_view text) {
    size_t from = text.find_first_not_of(' ');
    while (from < text.size()) {
      const size_t at = text.find(' ', from);
      const size_t after = at == text.npos ? text.npos : text.find_first_not_of(' ', at);
      if (after == text.npos) break;
      // A spelt-out mark is a space to the model: the run is longer than it looks.
      if (!text.substr(0, at).ends_with(kSpaceMark)) return at;
      from = after;
    }
    return text.size();
  }

  // No piece goes on after a word, so that words can be encoded one by one.
  bool words_are_apart() const {
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      const std::string& piece = processor_.IdToPiece(id);
      for (size_t at = piece.find(kSpaceMark, 1); at != piece.npos;
           at = piece.find(kSpaceMark, at + 1)) {
        if (!std::string_view(piece).substr(0, at).ends_with(kSpaceMark)) return false;
      }
    }
    return true;
  }

  sentencepiece::SentencePieceProcessor processor_;
  bool cuts_at_spaces_ = false;  // cutting is exact, and many times faster than the whole at once
  mutable ScratchPool<WordCache> pool_;
};

}  // namespace

std::unique_ptr<Tokenizer> parse_sentencepiece(std::string_view model, const std::string& where) {
  return std::make_unique<SentencePieceTokenizer>(model, where);
}

}  // namespace lathe
