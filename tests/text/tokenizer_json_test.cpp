// Readers of tokenizer files: what they refuse, and the byte-fallback sort.
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "support/error_text.h"
#include "support/tiny_bpe.h"
#include "text/bpe_definition.h"
#include "text/sentencepiece_settings.h"
#include "text/tokenizer.h"

namespace lathe {
namespace {

using Ids = std::vector<int32_t>;
using nlohmann::json;
using test::contains;
using test::error_text;
using test::tiny_bpe_json;

std::string error_of(const json& file) {
  return error_text([&] { parse_tokenizer_json(file.dump(), "t.json"); });
}

// Llama 2's sort: <unk> <s> </s>, 256 bytes, then "▁", "a", "b", "▁a", "ab".
json fallback_json() {
  json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  constexpr const char* kHex = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    vocab[std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">"] = 3 + byte;
  }
  for (const char* token : {"▁", "a", "b", "▁a", "ab"}) vocab[token] = vocab.size();
  json added = json::array();
  for (const char* token : {"<unk>", "<s>", "</s>"}) {
    added.push_back({{"id", vocab[token]}, {"content", token}, {"special", true}});
  }
  return {{"added_tokens", added},
          {"normalizer", json::parse(R"({"type":"Sequence","normalizers":[
          {"type":"Prepend","prepend":"▁"},
          {"type":"Replace","pattern":{"String":" "},"content":"▁"}]})")},
          {"pre_tokenizer", nullptr},
          {"decoder", json::parse(R"({"type":"Sequence","decoders":[
          {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
          {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})")},
          {"model",
           {{"type", "BPE"},
            {"byte_fallback", true},
            {"unk_token", "<unk>"},
            {"vocab", vocab},
            {"merges", {"▁ a", "a b"}}}}};
}

TEST_CASE("byte-fallback BPE: a worked example") {
  const auto tokenizer = parse_tokenizer_json(fallback_json().dump(), "t.json");
  const int32_t mark = 259, a = 260, b = 261, mark_a = 262, ab = 263;
  CHECK(tokenizer->encode("a") == Ids{mark_a});
  CHECK(tokenizer->encode(" a") == Ids{mark, mark_a});
  CHECK(tokenizer->encode("ba ab") == Ids{mark, b, a, mark_a, b});  // ▁+a comes before a+b
  CHECK(tokenizer->encode("bab") == Ids{mark, b, ab});
  CHECK(tokenizer->encode("é\xFF") == Ids{mark, 3 + 0xC3, 3 + 0xA9, 3 + 0xFF});
  CHECK(tokenizer->encode("") == Ids{});
  CHECK(tokenizer->decode(tokenizer->encode(" a é\xFF  b")) == " a é\xFF  b");
  CHECK(tokenizer->token_bytes(mark_a) == " a");
  CHECK(tokenizer->begin_of_text() == 1);
  CHECK(tokenizer->end_of_text() == 2);
  CHECK(tokenizer->decode(Ids{1, mark_a, 2}) == "a");
}

TEST_CASE("byte-fallback BPE: words are not cut apart where a token spans them") {
  auto file = fallback_json();
  file["model"]["vocab"]["a▁"] = 264;
  file["model"]["vocab"]["a▁b"] = 265;
  file["model"]["merges"] = {"a ▁", "a▁ b", "▁ a"};
  const auto tokenizer = parse_tokenizer_json(file.dump(), "t.json");
  CHECK(tokenizer->encode("a b") == Ids{259, 265});
}

TEST_CASE("tokenizer.json: files that are not whole or not of the kind are errors") {
  const auto error = [](std::string_view text) {
    return error_text([&] { parse_tokenizer_json(text, "t.json"); });
  };
  CHECK(contains(error(""), "t.json: not a JSON object"));
  CHECK(contains(error("[]"), "not a JSON object"));
  CHECK(contains(error("{}"), "'model' is null, expected an object"));
  CHECK(contains(error(R"({"model":{"type":"Unigram"}})"), "model type 'Unigram'"));
  CHECK(contains(error(R"({"model":{"type":7}})"), "'type' is number, expected text"));
  CHECK(contains(error(R"({"model":{"type":"BPE"}})"), "neither a ByteLevel"));
}

TEST_CASE("tokenizer.json: every feature that would change the ids is refused by its name") {
  const auto with = [](const char* pointer, const char* value) {
    json file = tiny_bpe_json({{"a", "b"}});
    file[json::json_pointer(pointer)] = json::parse(value);
    return error_of(file);
  };
  CHECK(contains(with("/normalizer", R"({"type":"NFD"})"), "normalizer 'NFD'"));
  CHECK(contains(with("/normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFC"},
                                        {"type":"NFKC"}]})"),
                 "normalizer 'NFKC' here"));
  CHECK(contains(with("/normalizer", "3"), "'normalizers' is number"));
  CHECK(with("/normalizer", R"({"type":"Sequence","normalizers":[]})") == "");
  CHECK(contains(with("/pre_tokenizer", R"({"type":"Metaspace"})"), "'Metaspace'"));
  CHECK(contains(with("/pre_tokenizer", "null"), "neither a ByteLevel"));
  CHECK(contains(with("/pre_tokenizer/use_regex", "1"), "'use_regex' is number"));
  CHECK(contains(with("/decoder", R"({"type":"WordPiece"})"), "decoder 'WordPiece'"));
  CHECK(contains(with("/model/dropout", "0.1"), "model.dropout"));
  CHECK(contains(with("/model/end_of_word_suffix", "\"</w>\""), "model.end_of_word_suffix"));
  CHECK(contains(with("/model/continuing_subword_prefix", "\"##\""), "continuing_subword_prefix"));

  const auto split = [&](const std::string& steps) {
    const std::string sequence = R"({"type":"Sequence","pretokenizers":[)" + steps + "]}";
    return with("/pre_tokenizer", sequence.c_str());
  };
  const std::string bytes = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  CHECK(contains(split(R"({"type":"Whitespace"},)" + bytes), "pre-tokenizer 'Whitespace'"));
  CHECK(contains(split(bytes + "," + bytes), "pre-tokenizer 'ByteLevel'"));
  CHECK(contains(split(R"({"type":"Digits"},{"type":"ByteLevel"})"), "add_prefix_space after"));
  CHECK(contains(split(R"({"type":"Sequence","pretokenizers":[]},)" + bytes), "Sequence in a"));
  CHECK(contains(split(R"({"type":"Split","behavior":"MergedWithPrevious"},)" + bytes),
                 "'MergedWithPrevious'"));
  CHECK(contains(split(R"({"type":"Split","behavior":"Isolated","invert":1},)" + bytes),
                 "'invert' is number"));
  CHECK(
      contains(split(R"({"type":"Split","behavior":"Isolated","pattern":{"String":"x"}},)" + bytes),
               "no Regex"));
}

TEST_CASE("tokenizer.json: vocabularies and merges that do not fit are errors") {
  const auto with = [](const char* pointer, const char* value) {
    json file = tiny_bpe_json({{"a", "b"}});
    file[json::json_pointer(pointer)] = json::parse(value);
    return error_of(file);
  };
  CHECK(contains(with("/model/vocab/zz", "5"), "belongs to both"));
  CHECK(contains(with("/model/vocab/zz", "-1"), "'zz' has the id -1"));
  CHECK(contains(with("/model/vocab/zz", "4000000000"), "expected 0 to 4194303"));
  CHECK(contains(with("/model/vocab/zz", "1.5"), "id of 'zz' is number"));
  CHECK(contains(with("/model/vocab/", "400"), "is empty"));
  CHECK(contains(with("/model/vocab", "[]"), "'vocab' is array"));
  CHECK(contains(with("/model/vocab", "{}"), "needs the token 'a'"));
  CHECK(contains(with("/model/merges", R"(["a c"])"), "needs the token 'ac'"));
  CHECK(contains(with("/model/merges", R"(["abc"])"), "expected two tokens"));
  CHECK(contains(with("/model/merges", R"(["a b c"])"), "expected two tokens"));
  CHECK(contains(with("/model/merges", "[7]"), "'merges' is number"));
  CHECK(contains(with("/model/merges", "{}"), "'merges' is object"));
  CHECK(contains(with("/added_tokens/0/id", "7"), "belongs to both"));
  CHECK(contains(with("/added_tokens/0/id", "null"), "is null, expected a whole number"));
  CHECK(contains(with("/added_tokens/0/content", "\"a\""), "has the ids"));
  CHECK(contains(with("/added_tokens", "{}"), "'added_tokens' is object"));
}

TEST_CASE("bytes that the vocabulary lacks give no token, as in the original") {
  json file = tiny_bpe_json({});
  const auto whole = parse_tokenizer_json(file.dump(), "tiny");
  const auto vocab = file["model"]["vocab"];
  const auto z = vocab.at("z").get<int32_t>();
  file["model"]["vocab"].erase("z");
  const auto lacking = parse_tokenizer_json(file.dump(), "tiny");
  std::vector<int32_t> expected;
  for (const int32_t id : whole->encode("ozone z")) {
    if (id != z) expected.push_back(id);
  }
  CHECK(lacking->encode("ozone z") == expected);
  CHECK(lacking->encode("z").empty());
}

TEST_CASE("tokenizer.json: added tokens that match in other ways are refused") {
  json file = tiny_bpe_json({{"a", "b"}});
  file["added_tokens"].push_back({{"id", 300}, {"content", "xx"}, {"lstrip", true}});
  CHECK(contains(error_of(file), "the added token 'xx' with lstrip"));
  file["added_tokens"][1] = {{"id", 300}, {"content", "xx"}};
  CHECK(error_of(file) == "");
  file["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK(contains(error_of(file), "add_prefix_space with the added token"));
  file = fallback_json();
  file["added_tokens"].push_back({{"id", 300}, {"content", "xx"}, {"special", false}});
  CHECK(contains(error_of(file), "that is not special"));
}

TEST_CASE("tokenizer.json: other byte-fallback pipelines are refused") {
  const auto with = [](const char* pointer, const char* value) {
    json file = fallback_json();
    file[json::json_pointer(pointer)] = json::parse(value);
    return error_of(file);
  };
  CHECK(contains(with("/normalizer", "null"), "byte_fallback without a normalizer"));
  CHECK(contains(with("/normalizer/normalizers/0/prepend", "\"x\""), "normalizer 'Prepend' here"));
  CHECK(contains(with("/normalizer/normalizers/1/content", "\"x\""), "normalizer 'Replace' here"));
  CHECK(contains(with("/decoder", "null"), "the decoder sequence ''"));
  CHECK(contains(with("/decoder/decoders/0/content", "\"x\""), "decoder 'Replace' here"));
  CHECK(contains(with("/decoder/decoders/3/stop", "1"), "decoder 'Strip' here"));
  CHECK(contains(with("/decoder/decoders/3/start", "\"1\""), "'start' is string"));
  CHECK(contains(with("/pre_tokenizer", R"({"type":"Split"})"), "pre-tokenizer 'Split'"));
  json file = fallback_json();
  file["model"]["vocab"].erase("<0x41>");
  CHECK(contains(error_of(file), "no token for the byte 65"));
}

TEST_CASE("GPT-2 files: what does not fit is an error that names the file") {
  const auto error = [](std::string_view vocab, std::string_view merges) {
    return error_text([&] { parse_gpt2_files(vocab, "encoder.json", merges, "vocab.bpe"); });
  };
  CHECK(contains(error("[", ""), "encoder.json: not a JSON object"));
  CHECK(contains(error(R"({"a":"b"})", ""), "encoder.json: the id of 'a' is string"));
  CHECK(contains(error(R"({"a":1})", "a b"), "vocab.bpe: merge 0 ('a' + 'b')"));
  CHECK(contains(error(R"({"a":1})", "a"), "vocab.bpe: merge 0 is 'a'"));
}

TEST_CASE("tokenizer.json: any damage gives an error or a tokenizer, never anything else") {
  std::mt19937 random(5);
  const std::string whole = tiny_bpe_json({{"a", "b"}}).dump();
  for (int round = 0; round < 2000; ++round) {
    std::string text = whole.substr(0, round % 4 == 0 ? random() % whole.size() : whole.size());
    for (int i = 0; i < 3 && !text.empty(); ++i) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    error_text([&] { parse_tokenizer_json(text, "t")->encode("ab ab"); });
  }
}

TEST_CASE("SentencePiece settings: read from any bytes without trust") {
  CHECK_FALSE(parse_sentencepiece_settings("").keeps_words_apart());  // the library's defaults
  // Field 3, length 4: field 4 (remove_extra_whitespaces) = 0, field 3 (add_dummy_prefix) = 1.
  const std::string normalizer("\x1A\x04\x20\x00\x18\x01", 6);
  // Field 2, length 2: field 3 (model_type) = 2, byte-pair encoding.
  const std::string identity = "\x12\x02\x18\x02" + normalizer;
  CHECK(parse_sentencepiece_settings(identity).keeps_words_apart());
  CHECK_FALSE(parse_sentencepiece_settings(identity + "\x0F").keeps_words_apart());
  CHECK_FALSE(parse_sentencepiece_settings(identity.substr(0, 9)).readable);
  CHECK_FALSE(
      parse_sentencepiece_settings("\x1A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01").readable);
  // With a character map; with marks behind the words.
  CHECK_FALSE(parse_sentencepiece_settings(std::string("\x1A\x05\x20\x00\x12\x01x", 7))
                  .keeps_words_apart());
  CHECK_FALSE(parse_sentencepiece_settings(identity + "\x12\x03\xC0\x01\x01").keeps_words_apart());
  // Unigram, said or by default; whole words; characters.
  CHECK_FALSE(parse_sentencepiece_settings(normalizer).keeps_words_apart());
  for (const char* type : {"\x01", "\x03", "\x04"}) {
    CHECK_FALSE(
        parse_sentencepiece_settings("\x12\x02\x18" + (type + normalizer)).keeps_words_apart());
  }
}

// A field of bytes of a protobuf message, shorter than 128.
std::string field(char number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

std::string piece(const std::string& text, float score, char type = 1) {
  std::string bits(sizeof score, '\0');
  std::memcpy(bits.data(), &score, sizeof score);
  return field(1, field(1, text) + '\x15' + bits + '\x18' + type);
}

TEST_CASE("SentencePiece unigram: the best sum is that of the whole text, with its rounding") {
  const std::string mark = "\u2581";
  const std::string model =
      piece("<unk>", 0, 2) + piece(mark + "x", -16384) + piece(mark + "ab", -1.0009f) +
      piece("c", -1.0009f) + piece(mark + "a", -1) + piece("bc", -1.001f) + piece(mark, -20) +
      field(2, std::string("\x18\x01")) + std::string("\x1A\x04\x20\x00\x18\x01", 6);
  const auto tokenizer = parse_sentencepiece(model, "t");
  // Alone, a + bc costs 2.0010 and ab + c 2.0018. Behind x single precision knows steps of 1/512
  // only: each 1.0009 becomes 1, and 1.001 becomes 1 + 1/512.
  CHECK(tokenizer->encode("abc") == std::vector<int32_t>{4, 5});
  CHECK(tokenizer->encode("x abc") == std::vector<int32_t>{1, 2, 3});
}

}  // namespace
}  // namespace lathe
