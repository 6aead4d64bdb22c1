#include "text/bpe_definition.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "text/bpe_vocabulary.h"
#include "text/pretokenizer.h"

namespace lathe {
namespace {

// Larger than any vocabulary; keeps a lying file from asking for gigabytes.
constexpr i64 kMaxId = (i64{1} << 22) - 1;

bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Printable bytes stand for themselves; the n-th other byte is U+0100 + n.
std::array<uint32_t, 256> make_code_points() {
  std::array<uint32_t, 256> points{};
  uint32_t n_others = 0;
  for (int byte = 0; byte < 256; ++byte) {
    points[byte] = is_printable(byte) ? static_cast<uint32_t>(byte) : 0x100 + n_others++;
  }
  return points;
}

nlohmann::ordered_json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

nlohmann::ordered_json normalizer_json(Normalization normalization) {
  if (normalization == Normalization::kNone) return nullptr;
  return {{"type", normalization == Normalization::kNfc ? "NFC" : "NFKC"}};
}

nlohmann::ordered_json pre_tokenizer_json(const BpeDefinition& definition) {
  const auto& patterns = definition.patterns;
  if (patterns.size() == 1 && patterns[0] == SplitRule(kGpt2Pattern)) {
    return byte_level(definition.add_prefix_space, true);
  }
  if (patterns.empty()) return byte_level(definition.add_prefix_space, false);
  auto steps = nlohmann::ordered_json::array();
  for (const SplitRule& rule : patterns) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", rule.pattern}}},
                     {"behavior", rule.keep == SplitRule::Keep::kAll ? "Isolated" : "Removed"},
                     {"invert", rule.keep == SplitRule::Keep::kMatches}});
  }
  steps.push_back(byte_level(definition.add_prefix_space, false));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

}  // namespace

const std::array<std::string, 256>& byte_characters() {
  static const auto characters = [] {
    const auto points = make_code_points();
    std::array<std::string, 256> table;
    for (int byte = 0; byte < 256; ++byte) append_code_point(points[byte], table[byte]);
    return table;
  }();
  return characters;
}

int byte_of_character(uint32_t code_point) {
  static const auto bytes = [] {
    const auto points = make_code_points();
    std::array<int16_t, 512> table;
    table.fill(-1);
    for (int byte = 0; byte < 256; ++byte) table[points[byte]] = static_cast<int16_t>(byte);
    return table;
  }();
  return code_point < bytes.size() ? bytes[code_point] : -1;
}

const std::array<uint8_t, 256>& gpt2_byte_order() {
  static const auto order = [] {
    std::array<uint8_t, 256> table{};
    size_t n = 0;
    for (const bool printable : {true, false}) {
      for (int byte = 0; byte < 256; ++byte) {
        if (is_printable(byte) == printable) table[n++] = static_cast<uint8_t>(byte);
      }
    }
    return table;
  }();
  return order;
}

void BpeVocabulary::add_token(const std::string& token, i64 id) {
  if (id < 0 || id > kMaxId) {
    fail("[tokenizer] {}: token '{}' has the id {}, expected 0 to {}", where_, token, id, kMaxId);
  }
  if (token.empty()) {
    fail("[tokenizer] {}: the token with the id {} is empty, expected text", where_, id);
  }
  auto& tokens = definition_.tokens;
  if (static_cast<size_t>(id) >= tokens.size()) tokens.resize(static_cast<size_t>(id) + 1);
  std::string& slot = tokens[static_cast<size_t>(id)];
  if (!slot.empty() && slot != token) {
    fail("[tokenizer] {}: the id {} belongs to both '{}' and '{}', expected one token an id",
         where_, id, slot, token);
  }
  const auto [position, is_new] = ids_.emplace(token, static_cast<int32_t>(id));
  if (!is_new && position->second != id) {
    fail("[tokenizer] {}: token '{}' has the ids {} and {}, expected one", where_, token,
         position->second, id);
  }
  slot = token;
}

void BpeVocabulary::add_added(const std::string& content, i64 id, bool special, bool normalized) {
  add_token(content, id);
  definition_.added.push_back({static_cast<int32_t>(id), content, special, normalized});
}

int32_t BpeVocabulary::find(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

int32_t BpeVocabulary::require(const std::string& token, const std::string& left,
                               const std::string& right) const {
  const int32_t id = find(token);
  if (id < 0) {
    fail(
        "[tokenizer] {}: merge {} ('{}' + '{}') needs the token '{}', which is not in the "
        "vocabulary; do the vocabulary and the merges belong together?",
        where_, definition_.merges.size(), left, right, token);
  }
  return id;
}

void BpeVocabulary::add_merge(const std::string& left, const std::string& right) {
  definition_.merges.push_back({require(left, left, right), require(right, left, right),
                                require(left + right, left, right)});
}

void BpeVocabulary::add_merge_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    fail("[tokenizer] {}: merge {} is '{}', expected two tokens separated by one space", where_,
         definition_.merges.size(), line);
  }
  add_merge(std::string(line.substr(0, space)), std::string(line.substr(space + 1)));
}

BpeDefinition parse_gpt2_files(std::string_view vocab, const std::string& vocab_where,
                               std::string_view merges, const std::string& merges_where) {
  BpeDefinition definition;
  definition.patterns = {kGpt2Pattern};
  BpeVocabulary vocabulary(definition, vocab_where);
  const auto json = nlohmann::json::parse(vocab, nullptr, false);
  if (!json.is_object()) {
    fail("[tokenizer] {}: not a JSON object of tokens and their ids; is the file whole?",
         vocab_where);
  }
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_integer()) {
      fail("[tokenizer] {}: the id of '{}' is {}, expected a whole number", vocab_where, token,
           id.type_name());
    }
    vocabulary.add_token(token, id.get<i64>());
  }
  vocabulary.set_where(merges_where);
  for (bool first = true; !merges.empty(); first = false) {
    const size_t end = merges.find('\n');
    std::string_view line = merges.substr(0, end);
    merges.remove_prefix(end == std::string_view::npos ? merges.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (first && line.starts_with("#version"))) continue;
    vocabulary.add_merge_line(line);
  }
  if (const int32_t id = vocabulary.find(std::string(kEndOfText)); id >= 0) {
    definition.added.push_back({id, std::string(kEndOfText), true});
  }
  return definition;
}

std::string to_tokenizer_json(const BpeDefinition& definition) {
  LATHE_CHECK(definition.alphabet == BpeDefinition::Alphabet::kBytes);
  using Json = nlohmann::ordered_json;
  Json added = Json::array();
  for (const auto& token : definition.added) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  // ordered_json looks for a key from the front on every insertion, so the two long lists are
  // written by hand.
  std::string vocab;
  for (size_t id = 0; id < definition.tokens.size(); ++id) {
    if (definition.tokens[id].empty()) continue;
    vocab += vocab.empty() ? "\n" : ",\n";
    vocab += Json(definition.tokens[id]).dump() + ":" + std::to_string(id);
  }
  std::string merges;
  for (const auto& merge : definition.merges) {
    merges += merges.empty() ? "\n" : ",\n";
    merges += Json(definition.tokens[static_cast<size_t>(merge.left)] + " " +
                   definition.tokens[static_cast<size_t>(merge.right)])
                  .dump();
  }
  std::string out = "{\n\"version\":\"1.0\",\n\"truncation\":null,\n\"padding\":null,\n";
  out += "\"added_tokens\":" + added.dump() + ",\n\"normalizer\":";
  out += normalizer_json(definition.normalization).dump() + ",\n";
  out += "\"pre_tokenizer\":" + pre_tokenizer_json(definition).dump() + ",\n";
  out += "\"post_processor\":null,\n\"decoder\":" + byte_level(false, true).dump() + ",\n";
  out += "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,";
  out += "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,";
  out += std::string("\"byte_fallback\":false,\"ignore_merges\":") +
         (definition.ignore_merges ? "true" : "false");
  out += ",\n\"vocab\":{" + vocab + "},\n\"merges\":[" + merges + "]}\n}\n";
  return out;
}

}  // namespace lathe
