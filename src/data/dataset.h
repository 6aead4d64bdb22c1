// A prepared folder: train and val shards, the tokenizer file and dataset.json.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/integer.h"
#include "data/shards.h"
#include "text/tokenizer.h"

namespace lathe {

inline constexpr const char* kDatasetFile = "dataset.json";

struct SplitInfo {
  i64 tokens = 0;                   // with the end-of-text tokens
  i64 bytes = 0;                    // of the source text (UTF-8), for bits per byte
  i64 documents = 0;                // a single document that is divided counts in both splits
  std::vector<ShardInfo> shards{};  // in their order; none where an older version has written it
  // Those of its tokens that a model is to learn.
  i64 counted() const;
  bool any_left_out() const;
};

// A document as a model reads it.
struct EncodedText {
  std::vector<int32_t> ids;  // without end-of-text
  i64 n_prompt = 0;          // of them, at the front: a prompt, which is not to be learnt
};
// `text`, of which the first n_prompt_bytes are a prompt: the prompt's tokens are as many as
// encoding it alone gives, without the blanks at its end, which go with what follows (as
// EleutherAI's harness cuts a context from its continuation).
EncodedText encode_prompted(const Tokenizer& tokenizer, std::string_view text,
                            size_t n_prompt_bytes);

// dataset.json: {"tokenizer": file, "fingerprint": of it, "vocab_size": n, "train": {"tokens",
// "bytes", "documents"}, "val": {…}, "shards": {"train": [{"file", "tokens", "checksum"}, …],
// "val"}}; a shard of which not all tokens count has "mask": {"file", "counted", "checksum"} too.
struct DatasetInfo {
  std::string tokenizer;  // file name inside the folder
  i64 vocab_size = 0;
  SplitInfo train;
  SplitInfo val;
  std::string fingerprint{};  // Tokenizer::fingerprint(); "": an older version has written it
};

// Throws Error beginning with `where` when a key is missing, unknown or out of range.
DatasetInfo parse_dataset_info(std::string_view json, const std::string& where);
std::string to_json(const DatasetInfo& info);

// Reads DIR/dataset.json. Throws Error when it is not there.
DatasetInfo load_dataset_info(const std::string& dir);
bool has_dataset_info(const std::string& dir);

// The token between two documents. Throws Error where the tokenizer has none.
int32_t require_end_of_text(const Tokenizer& tokenizer);

// Whether a document, by the content_hash() of its text, belongs to validation: equal texts fall on
// one side, whatever file and place they come from, and `val_fraction` of all texts do.
bool is_validation_document(uint64_t hash, double val_fraction, uint64_t split_seed = 0);

// How far a DatasetWriter is.
struct SplitProgress {
  SplitInfo sums;  // but for the shards
  ShardProgress shards;
};
struct DatasetProgress {
  SplitProgress train, val;
};

// Fills an empty folder from documents in order. One thread at a time.
//
// The end-of-text token comes before every document; where there are prompts also at the end of a
// split, since what follows a prompt ends with it. All tokens but those of prompts are to be
// learnt. is_validation_document() says on which side one goes; with val_fraction > 0 neither side
// is left without any: where all would go to one, that with the least hash goes to the other,
// whatever its place (and is held so long: the other documents of a side keep their order). A
// corpus of one document is divided: the last val_fraction of its tokens are validation.
class DatasetWriter {
 public:
  // The tokenizer must outlive this. 0 <= val_fraction < 1. Throws Error when the tokenizer has no
  // end-of-text token.
  DatasetWriter(const std::string& dir, const Tokenizer& tokenizer, double val_fraction,
                i64 shard_tokens = kDefaultShardTokens, uint64_t split_seed = 0);

  // Goes on where an earlier one of the same arguments was.
  void resume(const DatasetProgress& progress);
  // What has been added so far, flushed to the disk; nothing while a document is held.
  std::optional<DatasetProgress> progress();
  i64 n_shards() const;  // whole ones

  // `n_bytes`: of its text; `hash`: its content_hash().
  void add(EncodedText document, i64 n_bytes, uint64_t hash);
  // All of whose tokens (without end-of-text) are to be learnt.
  void add_document(std::vector<int32_t> ids, i64 n_bytes, uint64_t hash) {
    add({std::move(ids), 0}, n_bytes, hash);
  }
  // Writes what is left, the tokenizer and dataset.json. Throws Error when there were no tokens.
  DatasetInfo finish();

 private:
  struct Split {
    ShardWriter writer;
    SplitInfo info;
  };
  // A document that is not written yet.
  struct Held {
    std::vector<int32_t> ids;  // with its end-of-text token
    i64 n_prompt = 0;          // tokens behind that
    i64 n_bytes = 0;
    uint64_t hash = 0;
  };
  Split& side_of(uint64_t hash);
  // Tokens [begin, end) of a document.
  void put_tokens(Split& split, const Held& document, i64 begin, i64 end);
  void put(Split& split, const Held& document);
  void finish(Split& split);
  // Puts all but the one of both with the least hash, which is held.
  void hold(Held document);
  void divide_held();

  std::string dir_;
  const Tokenizer& tokenizer_;
  int32_t end_of_text_;
  double val_fraction_;
  uint64_t split_seed_;
  Split train_;
  Split val_;
  std::optional<Held> held_;  // while all documents so far fall on one side
  i64 n_documents_ = 0;
};

}  // namespace lathe
