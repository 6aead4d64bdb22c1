// tokenizer.json, GPT-2's pair of files, and SentencePiece models. What loads must encode and
// decode any bytes. Input: a kind (j, g, s), then the file; for g two files with a NUL between.
#include "base/error.h"
#include "fuzz/fuzz.h"
#include "text/bpe_definition.h"
#include "text/pretokenizer.h"
#include "text/sentencepiece_settings.h"
#include "text/tokenizer.h"
#include "text/tokenizer_bpe.h"

using namespace lathe;

namespace {

constexpr std::string_view kSample =
    "ab abc  a\xff\xc3\xa9 <|endoftext|>\n12 \xe2\x96\x81 \xf0\x9f\xab\xa8 e\xcc\x81\xcc\xa3 'll "
    "\xef\xac"
    "\x81 abcabcabcabcabcabcabcabcabcabcabcabcabcabc  \xc2\xa0";

void use(const Tokenizer& tokenizer) {
  FUZZ_CHECK(tokenizer.vocab_size() > 0);
  tokenizer.end_of_text();
  const std::vector<int32_t> ids = tokenizer.encode(kSample);
  for (const int32_t id : ids) {
    FUZZ_CHECK(id >= 0 && id < tokenizer.vocab_size());
    tokenizer.token_bytes(id);
  }
  tokenizer.decode(ids);
}

void run(char kind, std::string_view text) {
  if (kind == 'j') {
    use(*parse_tokenizer_json(text, "fuzz"));
  } else if (kind == 'g') {
    const size_t cut = std::min(text.find('\0'), text.size());
    const std::string_view merges = text.substr(std::min(cut + 1, text.size()));
    BpeDefinition definition = parse_gpt2_files(text.substr(0, cut), "vocab", merges, "merges");
    const std::string json = to_tokenizer_json(definition);
    use(BpeTokenizer(definition, json, "fuzz"));
    use(*parse_tokenizer_json(json, "fuzz"));  // what we write we read
  } else if (kind == 's') {
    parse_sentencepiece_settings(text);
    use(*parse_sentencepiece(text, "fuzz"));
  }
}

// A protobuf field of the length-delimited kind.
std::string field(int number, const std::string& value) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(value.size())} + value;
}

std::string piece(const std::string& text, char type) {
  return field(1, field(1, text) + std::string("\x15\0\0\x80\xbf", 5) + std::string{'\x18', type});
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  if (text.empty()) return 0;
  try {
    run(text[0], text.substr(1));
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  // All bytes, three merges.
  BpeDefinition bytes;
  for (const uint8_t byte : gpt2_byte_order()) bytes.tokens.push_back(byte_characters()[byte]);
  std::string vocab = "{", merges = "#version: 0.2\n";
  const auto id = [&](const std::string& token) {
    for (size_t i = 0; i < bytes.tokens.size(); ++i) {
      if (bytes.tokens[i] == token) return static_cast<int32_t>(i);
    }
    std::abort();
  };
  const std::pair<const char*, const char*> pairs[] = {{"a", "b"}, {"ab", "c"}, {"1", "2"}};
  for (const auto& [left, right] : pairs) {
    bytes.merges.push_back({id(left), id(right), static_cast<int32_t>(bytes.tokens.size())});
    bytes.tokens.push_back(std::string(left) + right);
    merges += std::string(left) + " " + right + "\n";
  }
  for (size_t i = 0; i < bytes.tokens.size(); ++i) {
    const std::string& token = bytes.tokens[i];
    vocab += (i ? ",\"" : "\"") + std::string(token == "\"" || token == "\\" ? "\\" : "") + token +
             "\":" + std::to_string(i);
  }
  vocab += ",\"<|endoftext|>\":" + std::to_string(bytes.tokens.size()) + "}";
  bytes.tokens.emplace_back(kEndOfText);
  bytes.added.push_back(
      {static_cast<int32_t>(bytes.tokens.size()) - 1, std::string(kEndOfText), true});
  bytes.patterns.push_back("\\p{L}+|\\p{N}+|[^\\s\\p{L}\\p{N}]+|\\s+");

  std::string pieces = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3);
  for (int byte = 0; byte < 256; ++byte) {
    const char* digits = "0123456789ABCDEF";
    pieces += piece(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 6);
  }
  pieces += piece("\xe2\x96\x81", 1) + piece("a", 1) + piece("b", 1) + piece("ab", 1);
  const std::string trainer = field(2, std::string("\x18\x02\x98\x02\x01", 5));
  BpeDefinition normalizing = bytes;
  normalizing.normalization = Normalization::kNfkc;
  normalizing.patterns = {SplitRule("b+", SplitRule::Keep::kRest),
                          SplitRule("[^x]+", SplitRule::Keep::kMatches), kGpt2Pattern};
  BpeDefinition known = bytes;
  known.patterns = {kLlama3Pattern};
  known.ignore_merges = true;
  return {
      "j" + to_tokenizer_json(bytes),
      "j" + to_tokenizer_json(normalizing),
      "j" + to_tokenizer_json(known),
      "g" + vocab + std::string(1, '\0') + merges,
      "s" + pieces + trainer + field(3, field(1, "identity")),
  };
}
