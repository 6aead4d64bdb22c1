#include "text/token_list.h"

#include <algorithm>
#include <cmath>

#include "base/byte_reader.h"
#include "base/error.h"
#include "text/bpe_definition.h"
#include "text/bpe_vocabulary.h"
#include "text/pretokenizer.h"
#include "text/sentencepiece_model.h"

namespace lathe {
namespace {

// What is done to text before merging, by GGUF's names.
struct PreTokenizer {
  std::string_view name;
  std::vector<SplitRule> patterns;
  bool ignore_merges = false;
  Normalization normalization = Normalization::kNone;
};
const std::vector<PreTokenizer>& pre_tokenizers() {
  static const std::vector<PreTokenizer> table = {
      {"gpt-2", {kGpt2Pattern}},
      {"smollm", {R"(\p{N})", kGpt2Pattern}},
      {"llama-bpe", {kLlama3Pattern}, true},
      {"qwen2", {kQwen2Pattern}, false, Normalization::kNfc},
      // Other names of the same; the first of a sort is the one that is written.
      {"olmo", {kGpt2Pattern}},
      {"mpt", {kGpt2Pattern}},
      {"phi-2", {kGpt2Pattern}},
      {"starcoder", {R"(\p{N})", kGpt2Pattern}},
      {"refact", {R"(\p{N})", kGpt2Pattern}},
      {"codeshell", {R"(\p{N})", kGpt2Pattern}},
      {"llama3", {kLlama3Pattern}, true},
      {"llama-v3", {kLlama3Pattern}, true},
      {"deepseek-r1-qwen", {kQwen2Pattern}, false, Normalization::kNfc},
  };
  return table;
}

BpeDefinition to_definition(const TokenList& list, const std::string& where) {
  BpeDefinition definition;
  const auto& table = pre_tokenizers();
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const auto& row) { return row.name == list.pre_tokenizer; });
  if (at == table.end()) {
    std::string known;
    for (const auto& row : table) known += (known.empty() ? "" : ", ") + std::string(row.name);
    fail("[tokenizer] {}: text is cut by '{}', which is not among {}; lathe would give other ids",
         where, list.pre_tokenizer, known);
  }
  definition.patterns = at->patterns;
  definition.ignore_merges = at->ignore_merges;
  definition.normalization = at->normalization;
  BpeVocabulary vocabulary(definition, where);
  for (size_t id = 0; id < list.tokens.size(); ++id) {
    const i64 kind = list.kinds[id];
    const i64 number = static_cast<i64>(id);
    if (kind == TokenList::kUnused) continue;
    if (kind == TokenList::kControl || kind == TokenList::kUserDefined) {
      vocabulary.add_added(list.tokens[id], number, kind == TokenList::kControl, false);
    } else {
      vocabulary.add_token(list.tokens[id], number);
    }
  }
  for (const std::string& merge : list.merges) vocabulary.add_merge_line(merge);
  return definition;
}

// GGUF needs a word for every id.
void pad(TokenList& list, i64 vocab_size) {
  for (i64 id = 0;
       id < static_cast<i64>(std::max<size_t>(list.tokens.size(), static_cast<size_t>(vocab_size)));
       ++id) {
    const auto i = static_cast<size_t>(id);
    if (i >= list.tokens.size()) {
      list.tokens.emplace_back();
      list.kinds.push_back(TokenList::kUnused);
      if (list.model == TokenList::Model::kSentencePiece) list.scores.push_back(0);
    }
    if (!list.tokens[i].empty()) continue;
    list.tokens[i] = format("[PAD{}]", id);
    list.kinds[i] = TokenList::kUnused;
  }
}

TokenList from_definition(const BpeDefinition& definition, const std::string& where) {
  TokenList list;
  list.tokens = definition.tokens;
  list.kinds.assign(list.tokens.size(), TokenList::kNormal);
  for (const auto& added : definition.added) {
    list.kinds[static_cast<size_t>(added.id)] =
        added.special ? TokenList::kControl : TokenList::kUserDefined;
  }
  const auto& token = [&](int32_t id) { return list.tokens[static_cast<size_t>(id)]; };
  if (definition.alphabet == BpeDefinition::Alphabet::kBytes) {
    const auto& table = pre_tokenizers();
    const auto at = std::find_if(table.begin(), table.end(), [&](const auto& row) {
      return row.patterns == definition.patterns && row.ignore_merges == definition.ignore_merges &&
             row.normalization == definition.normalization;
    });
    // Without merges a piece is cut into bytes all the same.
    if (!definition.merges.empty() && (at == table.end() || definition.add_prefix_space)) {
      fail(
          "[tokenizer] {}: GGUF has no name for how this tokenizer cuts text; --format hf keeps it "
          "as it is",
          where);
    }
    list.pre_tokenizer = at == table.end() ? table[0].name : at->name;
    for (const auto& merge : definition.merges) {
      list.merges.push_back(token(merge.left) + " " + token(merge.right));
    }
    return list;
  }
  // The earlier a merge, the higher its token's score.
  list.model = TokenList::Model::kSentencePiece;
  list.add_space_prefix = definition.space_prefix != BpeDefinition::SpacePrefix::kNever;
  list.scores.assign(list.tokens.size(), -1e6);
  for (size_t rank = definition.merges.size(); rank-- > 0;) {
    list.scores[static_cast<size_t>(definition.merges[rank].merged)] = -static_cast<double>(rank);
  }
  for (size_t id = 0; id < list.tokens.size(); ++id) {
    const std::string& text = list.tokens[id];
    const bool is_byte = text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
    if (is_byte) list.kinds[id] = TokenList::kByte;
    if (is_byte || list.kinds[id] != TokenList::kNormal) list.scores[id] = 0;
    if (text == "<unk>") list.kinds[id] = TokenList::kUnknown;
  }
  return list;
}

std::string replaced(std::string text, char from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) {
    text.replace(at, 1, to);
  }
  return text;
}

}  // namespace

std::unique_ptr<Tokenizer> make_tokenizer(const TokenList& list, const std::string& where) {
  const bool bytes = list.model == TokenList::Model::kBytePairs;
  if (list.kinds.size() != list.tokens.size() ||
      (!bytes && list.scores.size() != list.tokens.size())) {
    fail("[tokenizer] {}: {} tokens, {} kinds and {} scores, expected one of each a token", where,
         list.tokens.size(), list.kinds.size(), list.scores.size());
  }
  if (bytes) return parse_tokenizer_json(to_tokenizer_json(to_definition(list, where)), where);
  return parse_sentencepiece(to_sentencepiece_model(list), where);
}

TokenList parse_llama2_c_tokenizer(std::string_view bytes, i64 vocab_size,
                                   const std::string& where) {
  ByteReader reader({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, "[tokenizer]",
                    where);
  reader.number<int32_t>("the longest token's length");
  TokenList list;
  list.model = TokenList::Model::kSentencePiece;
  for (i64 id = 0; id < vocab_size; ++id) {
    const auto score = reader.number<float>("a score");
    const auto length = reader.number<int32_t>("a token's length");
    if (length < 0 || !std::isfinite(score)) {
      fail("[tokenizer] {}: token {} has the length {} and the score {}; is this llama2.c's?",
           where, id, length, score);
    }
    // Written for printing: a mark is a space there, and <s> has lines of its own.
    list.tokens.push_back(
        replaced(reader.text(static_cast<uint64_t>(length), "a token"), ' ', kSpaceMark));
    list.scores.push_back(static_cast<double>(score));
    const std::string& text = list.tokens.back();
    const bool is_byte = text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
    list.kinds.push_back(is_byte ? TokenList::kByte : TokenList::kNormal);
  }
  if (reader.remaining() > 0) {
    fail(
        "[tokenizer] {}: {} bytes are left behind {} tokens, as many as the model has; is this the "
        "model's tokenizer?",
        where, reader.remaining(), vocab_size);
  }
  constexpr std::string_view kNames[] = {"<unk>", "<s>", "</s>"};
  for (size_t id = 0; id < std::min(list.tokens.size(), std::size(kNames)); ++id) {
    list.tokens[id] = kNames[id];
    list.kinds[id] = id == 0 ? TokenList::kUnknown : TokenList::kControl;
  }
  return list;
}

TokenList token_list_of(const Tokenizer& tokenizer, i64 vocab_size, const std::string& where) {
  const std::string content = tokenizer.file_content();
  TokenList list = tokenizer.file_name().ends_with(".model")
                       ? parse_sentencepiece_tokens(content, where)
                       : from_definition(parse_bpe_json(content, where), where);
  pad(list, vocab_size);
  return list;
}

}  // namespace lathe
