// The JSON files that say what lies beside them: dataset.json, a checkpoint's checksums.json.
#include "base/atomic_file.h"
#include "base/error.h"
#include "data/prepare_journal.h"
#include "fuzz/fuzz.h"
#include "run/run_directory.h"

using namespace lathe;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  try {
    const DatasetInfo info = parse_dataset_info(text, "fuzz");
    FUZZ_CHECK(info.vocab_size > 0);
    FUZZ_CHECK(is_plain_file_name(info.tokenizer));
    for (const SplitInfo& split : {info.train, info.val}) {
      FUZZ_CHECK(split.tokens >= 0 && split.bytes >= 0 && split.documents >= 0);
      for (const ShardInfo& shard : split.shards) {
        FUZZ_CHECK(shard.tokens >= 0 && is_plain_file_name(shard.file));
        if (!shard.mask) continue;
        FUZZ_CHECK(is_plain_file_name(shard.mask->file));
        FUZZ_CHECK(shard.mask->counted >= 0 && shard.mask->counted <= shard.tokens);
      }
    }
    FUZZ_CHECK(to_json(parse_dataset_info(to_json(info), "fuzz")) == to_json(info));
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  try {
    const PrepareJournal journal = parse_prepare_journal(text, "fuzz");
    FUZZ_CHECK(to_json(parse_prepare_journal(to_json(journal), "fuzz")) == to_json(journal));
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  try {
    const auto sums = parse_checksums(text, "fuzz");
    FUZZ_CHECK(!sums.empty());
    for (const auto& [name, sum] : sums) FUZZ_CHECK(is_plain_file_name(name));
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {
      to_json(DatasetInfo{"tokenizer.json", 50257, {1000, 4000, 3}, {100, 400, 1}}),
      to_json(DatasetInfo{"tokenizer.model", 32000, {1, 0, 1}, {}}),
      to_json(DatasetInfo{"tokenizer.json",
                          257,
                          {9, 8, 1, {{"train_000000.bin", 7, 1}, {"train_000001.bin", 2, ~0u}}},
                          {},
                          "0123456789abcdef"}),
      to_json(DatasetInfo{
          "tokenizer.json",
          257,
          {9, 8, 1, {{"train_000000.bin", 7, 1, MaskInfo{"train_000000.mask", 5, ~0u}}}},
          {}}),
      to_json(PrepareJournal{
          {{"--text-key", "text"}},
          {2, {1000, 7}, 0, ""},
          {300, 2, 9, 90, 80, 7},
          {{{17, 15, 2},
            {{{"train_000000.bin", 10, 5, MaskInfo{"train_000000.mask", 3, 2}}}, 7, 3, 9u}},
           {{3, 2, 1}, {{}, 3, 0}}}}),
      to_json(PrepareJournal{
          {{"--val-fraction", 0.1}, {"--text-key", "text"}},
          {2, {1000, 7}, 1, "a.jsonl:3: bad"},
          {300, 2, 9, 90, 80, 0x123456789abcdef},
          {{{17, 15, 2}, {{{"train_000000.bin", 10, 5}}, 7, 3}}, {{3, 2, 1}, {{}, 3, 0}}}}),
      "{\n \"config.json\": 3735928559,\n \"model.safetensors\": 0,\n \"trainer.json\": 17\n}\n",
      R"({"\u00e9 x": 4294967295})",
  };
}
