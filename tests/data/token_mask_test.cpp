// Which tokens are to be learnt: the masks beside shards, from records of prompts to samples.
#include "data/token_mask.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/rng.h"
#include "data/batches.h"
#include "data/dataset.h"
#include "data/inspect.h"
#include "data/manifest.h"
#include "support/error_text.h"
#include "support/temp_dir.h"
#include "support/tiny_bpe.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_text;
using test::TempDir;

std::string mask_bytes(uint64_t n_tokens, const std::string& bits) {
  std::string bytes = "lathmask";
  bytes.append(reinterpret_cast<const char*>(&n_tokens), sizeof n_tokens);
  return bytes + bits;
}

std::string refusal(const std::string& bytes) {
  return error_text([&] { parse_mask(std::as_bytes(std::span(bytes)), "x.mask"); });
}

TEST_CASE("mask: a bit a token, the first one lowest; what is no whole one is refused") {
  const std::string bytes = mask_bytes(10, "\x81\x02");
  const MaskView mask = parse_mask(std::as_bytes(std::span(bytes)), "x.mask");
  CHECK(mask.n_tokens == 10);
  CHECK(mask.n_counted() == 3);
  for (const i64 i : {0, 7, 9}) CHECK(mask.counts(i));
  for (const i64 i : {1, 6, 8}) CHECK_FALSE(mask.counts(i));
  CHECK(refusal(mask_bytes(0, "")) == "");
  CHECK(refusal(mask_bytes(8, "\xFF")) == "");
  CHECK(contains(refusal("lathmask"), "x.mask: 8 bytes, expected at least the 16"));
  CHECK(contains(refusal("lathmusk" + bytes.substr(8)), "does not begin with \"lathmask\""));
  CHECK(contains(refusal(mask_bytes(17, "\x81\x02")), "2 bytes after the header"));
  CHECK(contains(refusal(mask_bytes(8, "\x81\x02")), "2 bytes after the header"));
  CHECK(contains(refusal(mask_bytes(~uint64_t{0}, "\x81\x02")), "2 bytes after the header"));
  CHECK(contains(refusal(mask_bytes(9, "\x81\x02")), "bits behind the last of its 9 tokens"));
}

TEST_CASE("mask: bits that are put together in runs are those of the tokens one by one") {
  const TempDir dir;
  const Random random(1, RandomUse::kMixture);
  for (uint64_t trial = 0; trial < 40; ++trial) {
    MaskBits bits;
    std::vector<bool> expected;
    for (uint64_t run = 0; run < 6; ++run) {
      const auto n = static_cast<i64>(random.bits(trial * 100 + run) % 21);
      const bool counts = random.bits(trial * 100 + run + 50) % 2 == 0;
      bits.append(n, counts);
      expected.insert(expected.end(), static_cast<size_t>(n), counts);
    }
    const i64 n_counted = std::count(expected.begin(), expected.end(), true);
    CHECK(bits.size() == std::ssize(expected));
    CHECK(bits.counted() == n_counted);
    CHECK(bits.any_left_out() == (n_counted < std::ssize(expected)));
    if (!bits.any_left_out()) continue;
    bits.write(dir.file("a.mask"));
    const MaskFile file(dir.file("a.mask"));
    REQUIRE(file.view().n_tokens == std::ssize(expected));
    CHECK(file.view().n_counted() == n_counted);
    CHECK(checksum(file.view().bits) == bits.checksum());
    for (i64 i = 0; i < file.view().n_tokens; ++i) {
      CHECK(file.view().counts(i) == expected[static_cast<size_t>(i)]);
    }
    // The front of it, gone on with, is the whole.
    const i64 n_front = std::ssize(expected) / 2;
    MaskBits again;
    again.take(file.view(), n_front);
    for (i64 i = n_front; i < std::ssize(expected); ++i) {
      again.append(1, expected[static_cast<size_t>(i)]);
    }
    CHECK(again.checksum() == bits.checksum());
    CHECK(again.counted() == bits.counted());
  }
}

// Files of a folder and what is in them.
std::map<std::string, std::string> files_in(const std::string& dir) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(dir)) {
    files[entry.path().filename().string()] = read_text_file(entry.path().string());
  }
  return files;
}

TEST_CASE("mask: a writer that goes on from any place, whatever was written since, ends alike") {
  // Token i does not count in the fives that begin at 3, 23, 43 …
  constexpr int32_t kTokens = 95;
  const auto counts = [](int32_t i) { return i % 20 < 3 || i % 20 >= 8; };
  const auto append = [&](ShardWriter& writer, int32_t begin, int32_t end) {
    for (int32_t i = begin; i < end; ++i) writer.append(std::span(&i, 1), counts(i));
  };
  const TempDir whole;
  {
    ShardWriter writer(whole.path(), "train", 300, 20);
    append(writer, 0, kTokens);
    CHECK(writer.any_left_out());
    writer.finish();
    for (const ShardInfo& info : writer.shards()) {
      REQUIRE(info.mask);
      CHECK(info.mask->counted == 15 - (info.tokens == 15 ? 5 : 0));
    }
  }
  const auto expected = files_in(whole.path());
  CHECK(expected.size() == 10);
  for (int32_t stop = 1; stop < kTokens; stop += 3) {
    for (const int32_t more : {0, 2, 30}) {
      CAPTURE(stop);
      CAPTURE(more);
      const TempDir dir;
      ShardProgress progress;
      {
        ShardWriter writer(dir.path(), "train", 300, 20);
        append(writer, 0, stop);
        progress = writer.progress();
        append(writer, stop, std::min(stop + more, kTokens));
        if (more == 2) writer.progress();
      }
      ShardWriter writer(dir.path(), "train", 300, 20);
      writer.resume(progress);
      append(writer, stop, kTokens);
      writer.finish();
      CHECK(files_in(dir.path()) == expected);
    }
  }
  // Bits that are not those: refused.
  const TempDir dir;
  ShardWriter writer(dir.path(), "train", 300, 20);
  append(writer, 0, 30);
  ShardProgress progress = writer.progress();
  *progress.mask_checksum += 1;
  CHECK(contains(error_text([&] { ShardWriter(dir.path(), "train", 300, 20).resume(progress); }),
                 "train_000001.mask.part is not what was written before"));
}

TEST_CASE("mask: a shard whose mask is of other tokens is refused") {
  const TempDir dir;
  ShardWriter writer(dir.path(), "train", 300);
  writer.append(std::vector<int32_t>{1, 2}, false);
  writer.append(std::vector<int32_t>{3});
  writer.finish();
  CHECK(error_text([&] { Shard(dir.file("train_000000.bin")); }) == "");
  write_file_atomically(dir.file("train_000000.mask"), mask_bytes(4, "\x0C"));
  CHECK(contains(error_text([&] { Shard(dir.file("train_000000.bin")); }),
                 "train_000000.mask: of 4 tokens, and the shard beside it has 3"));
}

TEST_CASE("prompts: their tokens are those of the prompt alone, without the blanks at its end") {
  const auto bytes = make_byte_tokenizer();
  const auto n_prompt = [&](const Tokenizer& tokenizer, const std::string& prompt,
                            const std::string& completion) {
    const EncodedText text = encode_prompted(tokenizer, prompt + completion, prompt.size());
    CHECK(text.ids == tokenizer.encode(prompt + completion));
    return text.n_prompt;
  };
  CHECK(n_prompt(*bytes, "abc", "de") == 3);
  CHECK(n_prompt(*bytes, "abc \n", "de") == 3);
  CHECK(n_prompt(*bytes, "", "de") == 0);
  CHECK(n_prompt(*bytes, " \t", "de") == 0);
  CHECK(n_prompt(*bytes, "abc", "") == 3);
  // "b" and "c" are one token across the border: "a b" has as many tokens as "a bc".
  const TempDir dir;
  write_file_atomically(dir.file("tokenizer.json"),
                        test::tiny_bpe_json({{"Ġ", "b"}, {"Ġb", "c"}}).dump());
  const auto merging = load_tokenizer(dir.file("tokenizer.json"));
  CHECK(merging->encode("a bc").size() == 2);
  CHECK(n_prompt(*merging, "a b", "c") == 2);
  CHECK(n_prompt(*merging, "a ", "bc") == 1);
}

struct Kept {
  std::vector<i64> ids;
  std::vector<uint8_t> counted;
};

Kept read_all(const std::string& dir, const std::string& split) {
  const TokenStream stream(dir, split);
  Kept kept;
  kept.ids.resize(static_cast<size_t>(stream.size()));
  kept.counted.resize(kept.ids.size());
  stream.copy(0, kept.ids);
  stream.copy_counted(0, kept.counted);
  return kept;
}

void add(DatasetWriter& writer, const std::string& prompt, const std::string& completion,
         uint64_t hash) {
  const auto tokenizer = make_byte_tokenizer();
  writer.add(encode_prompted(*tokenizer, prompt + completion, prompt.size()),
             static_cast<i64>(prompt.size() + completion.size()), hash);
}

TEST_CASE("dataset: all tokens count but those of prompts, and each completion ends its text") {
  for (const i64 shard_tokens : {7, 1000}) {
    CAPTURE(shard_tokens);
    const TempDir dir;
    const auto tokenizer = make_byte_tokenizer();
    DatasetWriter writer(dir.path(), *tokenizer, 0, shard_tokens);
    add(writer, "ask", "yes", 1);
    add(writer, "", "plain text", 2);
    add(writer, "why? ", "so", 3);
    const DatasetInfo info = writer.finish();
    const Kept kept = read_all(dir.path(), "train");
    std::string text, counted;
    for (size_t i = 0; i < kept.ids.size(); ++i) {
      text += kept.ids[i] == 256 ? '|' : static_cast<char>(kept.ids[i]);
      counted += kept.counted[i] != 0 ? '1' : '0';
    }
    CHECK(text == "|askyes|plain text|why? so|");
    CHECK(counted ==
          "1"
          "000"
          "111"
          "1"
          "1111111111"
          "1"
          "0000"
          "111"
          "1");
    CHECK(info.train.tokens == std::ssize(kept.ids));
    CHECK(info.train.documents == 3);
    CHECK(info.train.bytes == 23);
    CHECK(info.train.any_left_out());
    CHECK(info.train.counted() == std::count(counted.begin(), counted.end(), '1'));
    CHECK(to_json(parse_dataset_info(to_json(info), "x")) == to_json(info));
    CHECK(inspect_dataset(dir.path())["train"]["counted"] == info.train.counted());
    CHECK(check_shards(TokenStream(dir.path(), "train"), info.train, dir.path()).size() ==
          info.train.shards.size());
  }
}

TEST_CASE("dataset: a single record that is divided keeps its mask on both sides") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0.5);
  add(writer, "0123456789abcdef", "xyz", 1);
  writer.finish();
  const Kept train = read_all(dir.path(), "train"), val = read_all(dir.path(), "val");
  CHECK(train.counted == std::vector<uint8_t>{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  CHECK(val.ids.front() == '9');
  CHECK(val.counted == std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1});
}

TEST_CASE("dataset: masks that are changed, missing or too many are refused by name") {
  const TempDir dir;
  const auto tokenizer = make_byte_tokenizer();
  DatasetWriter writer(dir.path(), *tokenizer, 0, 10);
  add(writer, "", "plain text of a document", 1);
  add(writer, "ask", "yes", 2);
  const DatasetInfo info = writer.finish();
  REQUIRE_FALSE(info.train.shards[0].mask);
  REQUIRE(info.train.shards[2].mask);
  const auto refused = [&] {
    return error_text(
        [&] { check_shards(TokenStream(dir.path(), "train"), info.train, dir.path()); });
  };
  CHECK(refused() == "");
  const std::string mask = dir.file("train_000002.mask"), bytes = read_text_file(mask);
  std::string changed = bytes;
  changed[16] ^= 1;
  write_file_atomically(mask, changed);
  CHECK(contains(refused(), "train_000002.mask: "));
  CHECK(contains(refused(), "the mask is damaged or changed"));
  fs::remove(mask);
  CHECK(contains(refused(), "train_000002.mask: no such file, expected a mask"));
  write_file_atomically(mask, bytes);
  write_file_atomically(dir.file("train_000000.mask"), mask_bytes(10, "\xFF\x03"));
  CHECK(contains(refused(), "train_000000.mask: a mask, expected none"));

  std::string json = to_json(info);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    text.replace(text.find(from), from.size(), to);
    return error_text([&] { parse_dataset_info(text, "x"); });
  };
  CHECK(contains(with("\"train_000002.mask\"", "\"other.mask\""), "is 'other.mask', expected"));
  CHECK(contains(with("\"train_000002.mask\"", "\"../x\""), "expected a file name inside"));
  CHECK(contains(with("\"counted\": ", "\"counted\": 9"), "of 10 tokens"));
  CHECK(contains(with("\"counted\": ", "\"countde\": "), "did you mean 'counted'?"));
}

TEST_CASE("batches: whether a target counts is said of that target, across shards") {
  const TempDir dir;
  const auto counts = [](i64 id) { return id % 3 == 0; };
  {
    ShardWriter writer(dir.path(), "train", 300, 17);
    for (int32_t i = 0; i < 200; ++i) {
      const int32_t id = i * 7 % 251;
      writer.append(std::span(&id, 1), counts(id));
    }
    writer.finish();
  }
  auto stream = std::make_shared<TokenStream>(dir.path(), "train");
  const BatchSource source({{stream, std::nullopt, "a"}}, 8, 300, 1);
  CHECK(source.has_mask());
  std::vector<i64> ids(3 * 9);
  std::vector<uint8_t> counted(3 * 8);
  for (uint64_t first = 0; first < 60; first += 3) {
    source.read_batch(first, 3, ids);
    source.read_counted(first, 3, counted);
    for (size_t row = 0; row < 3; ++row) {
      for (size_t t = 0; t < 8; ++t) {
        CHECK((counted[row * 8 + t] != 0) == counts(ids[row * 9 + t + 1]));
      }
    }
  }
}

}  // namespace
}  // namespace lathe
