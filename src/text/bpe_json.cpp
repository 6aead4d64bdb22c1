// Reads Hugging Face's tokenizer.json. Whatever would change the ids and is not known here is an
// error that names it.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/bpe_definition.h"
#include "text/bpe_vocabulary.h"
#include "text/pretokenizer.h"

namespace lathe {
namespace {

using nlohmann::json;

class BpeJsonReader {
 public:
  explicit BpeJsonReader(const std::string& where)
      : where_(where), vocabulary_(definition_, where) {}

  BpeDefinition read(const json& root) {
    const json& model = object(root, "model");
    const std::string type = text(model, "type", "BPE");
    if (type != "BPE") unsupported("model type '" + type + "'", "'BPE'");
    read_alphabet(root, model);
    read_model(model);
    read_added_tokens(root);
    return std::move(definition_);
  }

 private:
  // --- access to members, with errors that name them ---

  [[noreturn]] void unsupported(const std::string& found, const std::string& expected) const {
    fail(
        "[tokenizer] {}: {} is not supported, expected {}; lathe would give other ids than the "
        "original",
        where_, found, expected);
  }

  [[noreturn]] void wrong_type(const char* key, const json& found, const char* expected) const {
    fail("[tokenizer] {}: '{}' is {}, expected {}", where_, key, found.type_name(), expected);
  }

  // The member, or null where it is absent.
  static const json& member(const json& parent, const char* key) {
    static const json null;
    if (!parent.is_object()) return null;
    const auto found = parent.find(key);
    return found == parent.end() ? null : *found;
  }

  const json& object(const json& parent, const char* key) const {
    const json& found = member(parent, key);
    if (!found.is_object()) wrong_type(key, found, "an object");
    return found;
  }

  const json& array(const json& parent, const char* key) const {
    const json& found = member(parent, key);
    if (!found.is_array()) wrong_type(key, found, "an array");
    return found;
  }

  std::string text(const json& parent, const char* key, const char* absent = nullptr) const {
    const json& found = member(parent, key);
    if (found.is_null() && absent != nullptr) return absent;
    if (!found.is_string()) wrong_type(key, found, "text");
    return found.get<std::string>();
  }

  bool flag(const json& parent, const char* key, bool absent) const {
    const json& found = member(parent, key);
    if (found.is_null()) return absent;
    if (!found.is_boolean()) wrong_type(key, found, "true or false");
    return found.get<bool>();
  }

  i64 integer(const json& parent, const char* key, i64 absent) const {
    const json& found = member(parent, key);
    if (found.is_null()) return absent;
    if (!found.is_number_integer()) wrong_type(key, found, "a whole number");
    return found.get<i64>();
  }

  // The steps of `step`: those of a Sequence, itself, or none when it is null.
  std::vector<const json*> steps_of(const json& step, const char* list_key) const {
    if (step.is_null()) return {};
    if (!step.is_object()) wrong_type(list_key, step, "an object");
    if (text(step, "type") != "Sequence") return {&step};
    std::vector<const json*> steps;
    for (const json& inner : array(step, list_key)) {
      if (text(inner, "type") == "Sequence") unsupported("a Sequence in a Sequence", "a flat one");
      steps.push_back(&inner);
    }
    return steps;
  }

  // --- the parts of the file ---

  void read_alphabet(const json& root, const json& model) {
    const bool fallback = flag(model, "byte_fallback", false);
    const auto pre = steps_of(member(root, "pre_tokenizer"), "pretokenizers");
    const bool bytes = !pre.empty() && text(*pre.back(), "type") == "ByteLevel";
    if (bytes) {
      read_normal_form(root);
      read_pre_tokenizer(pre);
      read_byte_decoder(root);
    } else if (fallback && pre.size() == 1 && text(*pre[0], "type") == "Metaspace") {
      definition_.alphabet = BpeDefinition::Alphabet::kByteFallback;
      read_metaspace(root, *pre[0]);
      read_fallback_decoder(root);
    } else if (!pre.empty()) {
      unsupported("pre-tokenizer '" + text(*pre.back(), "type") + "'",
                  "ByteLevel, or with byte_fallback Metaspace or none");
    } else if (!fallback) {
      unsupported("a BPE model with neither a ByteLevel pre-tokenizer nor byte_fallback",
                  "one of them");
    } else {
      definition_.alphabet = BpeDefinition::Alphabet::kByteFallback;
      read_normalizer(root);
      read_fallback_decoder(root);
    }
  }

  void read_normal_form(const json& root) {
    for (const json* step : steps_of(member(root, "normalizer"), "normalizers")) {
      const std::string type = text(*step, "type");
      if ((type != "NFC" && type != "NFKC") || definition_.normalization != Normalization::kNone) {
        unsupported("normalizer '" + type + "' here",
                    "one of NFC and NFKC, or none, with a ByteLevel pre-tokenizer");
      }
      definition_.normalization = type == "NFC" ? Normalization::kNfc : Normalization::kNfkc;
    }
  }

  void read_pre_tokenizer(const std::vector<const json*>& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      const json& step = *steps[i];
      const std::string type = text(step, "type");
      if (type == "Split") {
        definition_.patterns.push_back(read_split(step));
      } else if (type == "Digits") {
        definition_.patterns.push_back(flag(step, "individual_digits", false) ? R"(\p{N})"
                                                                              : R"(\p{N}+)");
      } else if (type == "ByteLevel" && i + 1 == steps.size()) {
        definition_.add_prefix_space = flag(step, "add_prefix_space", true);
        if (definition_.add_prefix_space && i > 0) {
          unsupported("ByteLevel with add_prefix_space after another pre-tokenizer", "false");
        }
        if (flag(step, "use_regex", true)) definition_.patterns.push_back(kGpt2Pattern);
      } else {
        unsupported("pre-tokenizer '" + type + "'", "Split, Digits, then one ByteLevel");
      }
    }
  }

  SplitRule read_split(const json& step) const {
    const std::string behavior = text(step, "behavior");
    // What invert swaps, matches and the rest, is all the same where both are kept.
    const bool invert = flag(step, "invert", false);
    SplitRule rule("");
    if (behavior == "Removed") {
      rule.keep = invert ? SplitRule::Keep::kMatches : SplitRule::Keep::kRest;
    } else if (behavior != "Isolated") {
      unsupported("Split behavior '" + behavior + "'", "'Isolated' or 'Removed'");
    }
    const json& pattern = object(step, "pattern");
    if (!member(pattern, "Regex").is_string()) unsupported("a Split that is no Regex", "a Regex");
    rule.pattern = text(pattern, "Regex");
    return rule;
  }

  void read_byte_decoder(const json& root) const {
    for (const json* step : steps_of(member(root, "decoder"), "decoders")) {
      const std::string type = text(*step, "type");
      if (type != "ByteLevel") unsupported("decoder '" + type + "'", "'ByteLevel'");
    }
  }

  using Prefix = BpeDefinition::SpacePrefix;

  // The newer way to say what Prepend and Replace say, but for texts that begin with a space. Texts
  // are encoded whole, so that the first section is every section.
  void read_metaspace(const json& root, const json& step) {
    if (!member(root, "normalizer").is_null()) unsupported("Metaspace with a normalizer", "none");
    if (text(step, "replacement", "") != kSpaceMark) unsupported("Metaspace's replacement", "'▁'");
    if (flag(step, "split", true)) unsupported("Metaspace with split", "split = false");
    const std::string scheme = text(step, "prepend_scheme", "always");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      unsupported("Metaspace's prepend_scheme '" + scheme + "'", "always, first or never");
    }
    definition_.space_prefix = scheme == "never" ? Prefix::kNever : Prefix::kUnlessThere;
  }

  void read_normalizer(const json& root) {
    bool replaces = false;
    for (const json* step : steps_of(member(root, "normalizer"), "normalizers")) {
      const std::string type = text(*step, "type");
      if (type == "Prepend" && !replaces && definition_.space_prefix == Prefix::kNever &&
          text(*step, "prepend") == kSpaceMark) {
        definition_.space_prefix = Prefix::kAlways;
      } else if (type == "Replace" && !replaces && text(*step, "content") == kSpaceMark &&
                 member(object(*step, "pattern"), "String") == " ") {
        replaces = true;
      } else {
        unsupported("normalizer '" + type + "' here", "Prepend '▁', then Replace ' ' by '▁'");
      }
    }
    if (!replaces) unsupported("byte_fallback without a normalizer", "Replace ' ' by '▁'");
  }

  void read_fallback_decoder(const json& root) {
    std::string types;
    for (const json* step : steps_of(member(root, "decoder"), "decoders")) {
      const std::string type = text(*step, "type");
      types += type + " ";
      if (type == "Replace" && (text(*step, "content") != " " ||
                                member(object(*step, "pattern"), "String") != kSpaceMark)) {
        unsupported("decoder 'Replace' here", "'▁' by ' '");
      }
      if (type != "Strip") continue;
      definition_.strip_spaces = integer(*step, "start", 0);
      if (text(*step, "content") != " " || integer(*step, "stop", 0) != 0 ||
          definition_.strip_spaces < 0) {
        unsupported("decoder 'Strip' here", "content ' ', stop 0");
      }
    }
    if (types != "Replace ByteFallback Fuse " && types != "Replace ByteFallback Fuse Strip ") {
      unsupported("the decoder sequence '" + types + "'", "Replace ByteFallback Fuse [Strip]");
    }
  }

  void read_model(const json& model) {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!text(model, key, "").empty()) unsupported(std::string("model.") + key, "null");
    }
    const json& dropout = member(model, "dropout");
    if (!dropout.is_null() && dropout != 0) unsupported("model.dropout", "null");
    definition_.ignore_merges = flag(model, "ignore_merges", false);
    for (const auto& [token, id] : object(model, "vocab").items()) {
      vocabulary_.add_token(token, id_of(id, token));
    }
    for (const json& merge : array(model, "merges")) {
      if (merge.is_string()) {
        vocabulary_.add_merge_line(merge.get_ref<const std::string&>());
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string()) {
        vocabulary_.add_merge(merge[0].get<std::string>(), merge[1].get<std::string>());
      } else {
        wrong_type("merges", merge, "a list of 'left right' or [left, right]");
      }
    }
  }

  void read_added_tokens(const json& root) {
    const json& list = member(root, "added_tokens");
    if (list.is_null()) return;
    for (const json& token : array(root, "added_tokens")) {
      const std::string content = text(token, "content");
      const bool special = flag(token, "special", false);
      if (!special) check_plain_added(token, content);
      vocabulary_.add_added(content, id_of(member(token, "id"), content), special,
                            flag(token, "normalized", !special));
    }
  }

  // Added tokens that are not special are looked for in the text, which only the plain sort allows.
  void check_plain_added(const json& token, const std::string& content) const {
    for (const char* key : {"lstrip", "rstrip", "single_word"}) {
      if (flag(token, key, false)) {
        unsupported("the added token '" + content + "' with " + key, "false");
      }
    }
    if (definition_.alphabet == BpeDefinition::Alphabet::kByteFallback) {
      unsupported("the added token '" + content + "' that is not special", "special tokens only");
    }
    if (definition_.add_prefix_space) {
      unsupported("add_prefix_space with the added token '" + content + "'", "special tokens only");
    }
  }

  i64 id_of(const json& id, const std::string& token) const {
    if (!id.is_number_integer()) {
      fail("[tokenizer] {}: the id of '{}' is {}, expected a whole number", where_, token,
           id.type_name());
    }
    return id.get<i64>();
  }

  const std::string& where_;
  BpeDefinition definition_;
  BpeVocabulary vocabulary_;
};

}  // namespace

BpeDefinition parse_bpe_json(std::string_view text, const std::string& where) {
  const json root = json::parse(text, nullptr, false);
  if (!root.is_object()) {
    fail("[tokenizer] {}: not a JSON object, expected a tokenizer.json; is the file whole?", where);
  }
  return BpeJsonReader(where).read(root);
}

}  // namespace lathe
