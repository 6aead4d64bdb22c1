#include "text/tokenizer.h"

#include <filesystem>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/error.h"
#include "text/bpe_definition.h"
#include "text/tokenizer_bpe.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

struct Gpt2Pair {
  const char* merges;
  const char* vocab;
};
constexpr Gpt2Pair kGpt2Pairs[] = {{"vocab.bpe", "encoder.json"}, {"merges.txt", "vocab.json"}};

std::unique_ptr<Tokenizer> make_bpe(BpeDefinition definition, std::string json,
                                    const std::string& where) {
  if (is_byte_tokenizer(definition)) return make_byte_tokenizer();
  return std::make_unique<BpeTokenizer>(std::move(definition), std::move(json), where);
}

std::unique_ptr<Tokenizer> load_gpt2(const fs::path& merges, const char* vocab_name) {
  const fs::path vocab = merges.parent_path() / vocab_name;
  if (!fs::exists(vocab)) {
    fail(
        "[tokenizer] {}: '{}' is not beside it, expected the vocabulary that belongs to the "
        "merges; copy it there",
        merges.string(), vocab_name);
  }
  BpeDefinition definition = parse_gpt2_files(read_text_file(vocab.string()), vocab.string(),
                                              read_text_file(merges.string()), merges.string());
  std::string json = to_tokenizer_json(definition);
  return make_bpe(std::move(definition), std::move(json), merges.string());
}

std::unique_ptr<Tokenizer> load_file(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const Gpt2Pair& pair : kGpt2Pairs) {
    if (name == pair.merges || name == pair.vocab) {
      return load_gpt2(path.parent_path() / pair.merges, pair.vocab);
    }
  }
  if (path.extension() == ".model") return parse_sentencepiece(read_text_file(path), path);
  if (path.extension() == ".json") return parse_tokenizer_json(read_text_file(path), path);
  fail(
      "[tokenizer] '{}' is no tokenizer file that lathe knows, expected tokenizer.json, *.model "
      "(SentencePiece), vocab.bpe, merges.txt, or the word 'bytes'",
      path.string());
}

std::unique_ptr<Tokenizer> load_folder(const fs::path& dir) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.bpe", "merges.txt"}) {
    if (fs::exists(dir / name)) return load_file(dir / name);
  }
  fail(
      "[tokenizer] the folder '{}' holds no tokenizer, expected tokenizer.json, tokenizer.model, "
      "vocab.bpe or merges.txt in it",
      dir.string());
}

std::optional<int32_t> first_of(const Tokenizer& tokenizer,
                                std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const auto id = tokenizer.special_token(name)) return id;
  }
  return std::nullopt;
}

// Where tokenizers with one vocabulary differ: how they cut words, digits, blanks, scripts.
constexpr std::string_view kProbe =
    "It's 12345 o'clock, they'll say; 3.14159 or -2e10?\r\n\tint main() { return x[0] != 'y'; }\n\n"
    "   Grüße aus Köln, naïve café – „ja“. Привет, мир! 你好，世界。 こんにちは 한국어 हिन्दी عربي "
    "\xF0\x9F\x99\x82\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD e\xCC\x81 \xEF\xAC\x81 "
    "http://a.b/c?d=e&f=%20 CamelCase "
    "snake_case ALLCAPS <|endoftext|> </s>\xC2\xA0"
    "end  ";

}  // namespace

std::string Tokenizer::save(const std::string& dir) const {
  write_file_atomically(dir + "/" + std::string(file_name()), file_content());
  return std::string(file_name());
}

std::string Tokenizer::special_text(int32_t id) const {
  for (const SpecialToken& token : special_tokens()) {
    if (token.id == id) return token.text;
  }
  return "";
}

void Tokenizer::append_ids_with_special(std::string_view text, std::vector<int32_t>& out) const {
  const std::vector<SpecialToken> specials = special_tokens();
  size_t plain = 0;  // begin of what no special token has taken
  for (size_t at = 0; at < text.size();) {
    const SpecialToken* found = nullptr;
    for (const SpecialToken& token : specials) {
      const bool longer = !found || token.text.size() > found->text.size();
      if (longer && !token.text.empty() && text.substr(at).starts_with(token.text)) found = &token;
    }
    if (!found) {
      ++at;
      continue;
    }
    append_ids(text.substr(plain, at - plain), out);
    out.push_back(found->id);
    at += found->text.size();
    plain = at;
  }
  append_ids(text.substr(plain), out);
}

std::string Tokenizer::fingerprint() const {
  uint64_t hash = 0;
  const auto n = static_cast<int32_t>(vocab_size());
  for (int32_t id = 0; id < n; ++id) hash = content_hash(token_bytes(id), hash);
  for (const auto special : {end_of_text(), begin_of_text()}) {
    hash = content_hash(static_cast<uint64_t>(special.value_or(-1)), hash);
  }
  for (const int32_t id : encode(kProbe)) hash = content_hash(static_cast<uint64_t>(id), hash);
  return hash_text(hash);
}

std::optional<int32_t> Tokenizer::end_of_text() const {
  return first_of(*this, {kEndOfText, "</s>", "<|end_of_text|>", "<eos>"});
}

std::optional<int32_t> Tokenizer::begin_of_text() const {
  return first_of(*this, {"<s>", "<|begin_of_text|>", "<bos>"});
}

std::unique_ptr<Tokenizer> parse_tokenizer_json(std::string_view json, const std::string& where) {
  return make_bpe(parse_bpe_json(json, where), std::string(json), where);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  if (path == kByteTokenizer) return make_byte_tokenizer();
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return load_folder(path);
  if (!fs::exists(path, ignored)) {
    fail(
        "[tokenizer] '{}' does not exist, expected a tokenizer file, a folder with one, or the "
        "word 'bytes'",
        path);
  }
  return load_file(path);
}

}  // namespace lathe
