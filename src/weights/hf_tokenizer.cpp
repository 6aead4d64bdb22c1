#include "weights/hf_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"

namespace lathe {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The object in that file of the folder; null where there is none.
json read_object(const fs::path& path) {
  if (!fs::exists(path)) return nullptr;
  json root = json::parse(read_text_file(path.string()), nullptr, false);
  if (!root.is_object()) fail("[import] {}: no JSON object; is the file whole?", path.string());
  return root;
}

const json& member(const json& parent, const char* key) {
  static const json null;
  if (!parent.is_object()) return null;
  const auto found = parent.find(key);
  return found == parent.end() ? null : *found;
}

i64 id_or_none(const json& value, const ModelSpec& spec) {
  if (!value.is_number_integer()) return -1;
  const i64 id = value.get<i64>();
  return id >= 0 && id < spec.vocab_size ? id : -1;
}

// The first token that tokenizer.json's post-processor puts in front of a single text.
i64 template_begin(const json& tokenizer, const ModelSpec& spec) {
  const json& post = member(tokenizer, "post_processor");
  std::vector<const json*> steps = {&post};
  if (member(post, "processors").is_array()) {
    for (const json& step : post["processors"]) steps.push_back(&step);
  }
  for (const json* step : steps) {
    const json& single = member(*step, "single");
    if (!single.is_array() || single.empty()) continue;
    const json& name = member(member(single[0], "SpecialToken"), "id");
    if (!name.is_string()) continue;
    const json& ids = member(
        member(member(*step, "special_tokens"), name.get_ref<const std::string&>().c_str()), "ids");
    if (ids.is_array() && !ids.empty()) return id_or_none(ids[0], spec);
  }
  return -1;
}

void add_ends(const json& value, ModelSpec& spec) {
  const json list = value.is_array() ? value : json::array({value});
  for (const json& one : list) {
    const i64 id = id_or_none(one, spec);
    const auto& known = spec.end_tokens;
    if (id >= 0 && std::find(known.begin(), known.end(), id) == known.end()) {
      spec.end_tokens.push_back(id);
    }
  }
}

}  // namespace

void read_hf_tokens(const std::string& folder, ModelSpec& spec) {
  const fs::path path(folder);
  add_ends(member(read_object(path / "generation_config.json"), "eos_token_id"), spec);
  const json config = read_object(path / "config.json");
  const json settings = read_object(path / "tokenizer_config.json");
  const json& adds = member(settings, "add_bos_token");
  // Llama 2's puts one there where nothing is said.
  const json& type = member(settings, "tokenizer_class");
  const bool llama = type == "LlamaTokenizer" || type == "LlamaTokenizerFast";
  const bool by_settings = adds.is_boolean() ? adds.get<bool>() : llama;
  const i64 begin = template_begin(read_object(path / "tokenizer.json"), spec);
  if (begin >= 0) {
    spec.begin_token = begin;
  } else if (by_settings) {
    spec.begin_token = id_or_none(member(config, "bos_token_id"), spec);
  }
}

std::string read_hf_chat_template(const std::string& folder) {
  const fs::path path(folder);
  if (fs::exists(path / "chat_template.jinja")) {
    return read_text_file((path / "chat_template.jinja").string());
  }
  const json settings = read_object(path / "tokenizer_config.json");
  const json& found = member(settings, "chat_template");
  if (found.is_string()) return found.get<std::string>();
  if (!found.is_array()) return "";
  // Several, each with a name.
  for (const json& one : found) {
    const json& text = member(one, "template");
    if (member(one, "name") == "default" && text.is_string()) return text.get<std::string>();
  }
  return "";
}

TokenList gguf_token_list(const GgufMetadata& m) {
  const std::string model = m.text("tokenizer.ggml.model");
  const auto* tokens = m.texts("tokenizer.ggml.tokens");
  const auto* kinds = m.integers("tokenizer.ggml.token_type");
  if (!tokens) fail("[tokenizer] {}: no tokens in it; give --tokenizer", m.where);
  TokenList list;
  list.tokens = *tokens;
  list.kinds = kinds ? *kinds : std::vector<i64>(tokens->size(), TokenList::kNormal);
  if (model == "gpt2") {
    list.pre_tokenizer = m.text("tokenizer.ggml.pre", "gpt-2");
    if (const auto* merges = m.texts("tokenizer.ggml.merges")) list.merges = *merges;
  } else if (model == "llama") {
    list.model = TokenList::Model::kSentencePiece;
    if (const auto* scores = m.numbers("tokenizer.ggml.scores")) list.scores = *scores;
    list.add_space_prefix = m.flag("tokenizer.ggml.add_space_prefix", true);
  } else {
    fail("[tokenizer] {}: a tokenizer of the sort '{}', expected gpt2 or llama; give --tokenizer",
         m.where, model);
  }
  return list;
}

GgufEntries to_gguf_tokens(const TokenList& list, const ModelSpec& spec, int32_t end_of_text,
                           const std::string& chat_template) {
  const bool bytes = list.model == TokenList::Model::kBytePairs;
  GgufEntries entries;
  const auto add = [&](const char* key, GgufValue value) {
    entries.emplace_back(std::string("tokenizer.ggml.") + key, std::move(value));
  };
  add("model", std::string(bytes ? "gpt2" : "llama"));
  if (bytes) add("pre", list.pre_tokenizer);
  add("tokens", list.tokens);
  if (!bytes) add("scores", list.scores);
  add("token_type", list.kinds);
  if (bytes) add("merges", list.merges);
  // Said always, since llama.cpp has its own ideas where they are missing.
  const i64 end = spec.end_tokens.empty() ? i64{end_of_text} : spec.end_tokens[0];
  add("bos_token_id", spec.begin_token >= 0 ? spec.begin_token : end);
  add("eos_token_id", end);
  add("add_bos_token", spec.begin_token >= 0);
  add("add_eos_token", false);
  if (!bytes) add("add_space_prefix", list.add_space_prefix);
  if (!chat_template.empty()) entries.emplace_back("tokenizer.chat_template", chat_template);
  return entries;
}

}  // namespace lathe
