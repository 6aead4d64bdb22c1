#include "data/dataset.h"

#include <algorithm>
#include <cmath>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/error.h"

namespace lathe {

int32_t require_end_of_text(const Tokenizer& tokenizer) {
  const auto id = tokenizer.end_of_text();
  if (!id) {
    fail(
        "[data] the tokenizer has no end-of-text token, expected <|endoftext|>, </s> or <eos> "
        "among its special tokens; documents could not be told apart");
  }
  return *id;
}

bool is_validation_document(uint64_t hash, double val_fraction, uint64_t split_seed) {
  return static_cast<double>(content_hash(hash, split_seed) >> 11) * 0x1p-53 < val_fraction;
}

DatasetWriter::DatasetWriter(const std::string& dir, const Tokenizer& tokenizer,
                             double val_fraction, i64 shard_tokens, uint64_t split_seed)
    : dir_(dir),
      tokenizer_(tokenizer),
      end_of_text_(require_end_of_text(tokenizer)),
      val_fraction_(val_fraction),
      split_seed_(split_seed),
      train_{ShardWriter(dir, "train", tokenizer.vocab_size(), shard_tokens), {}},
      val_{ShardWriter(dir, "val", tokenizer.vocab_size(), shard_tokens), {}} {
  if (!(val_fraction >= 0 && val_fraction < 1)) {
    fail("[data] a validation share of {}, expected 0 to less than 1", val_fraction);
  }
}

void DatasetWriter::put(Split& split, std::span<const int32_t> ids, i64 n_bytes) {
  split.writer.append(ids);
  split.info.tokens += static_cast<i64>(ids.size());
  split.info.bytes += n_bytes;
  ++split.info.documents;
}

DatasetWriter::Split& DatasetWriter::side_of(uint64_t hash) {
  return is_validation_document(hash, val_fraction_, split_seed_) ? val_ : train_;
}

void DatasetWriter::hold(Held document) {
  if (!held_) {
    held_ = std::move(document);
    return;
  }
  if (document.hash < held_->hash) std::swap(*held_, document);
  put(side_of(document.hash), document.ids, document.n_bytes);
}

void DatasetWriter::add_document(std::vector<int32_t> ids, i64 n_bytes, uint64_t hash) {
  if (ids.empty()) return;
  ids.insert(ids.begin(), end_of_text_);
  ++n_documents_;
  Split& side = side_of(hash);
  if (held_ && &side_of(held_->hash) != &side) {
    put(side_of(held_->hash), held_->ids, held_->n_bytes);
    held_.reset();
  }
  const bool both = val_fraction_ == 0 || (n_documents_ > 1 && !held_);
  if (both) return put(side, ids, n_bytes);
  hold({std::move(ids), n_bytes, hash});
}

void DatasetWriter::divide_held() {
  const auto n = static_cast<i64>(held_->ids.size());  // end of text and at least one more
  const auto wanted = static_cast<i64>(std::llround(val_fraction_ * static_cast<double>(n)));
  const auto n_val = static_cast<size_t>(std::clamp<i64>(wanted, 1, n - 1));
  const std::span<const int32_t> all = held_->ids;
  const auto tail = all.last(n_val);
  // Decoding the tail by itself would put U+FFFD for a character that is cut in two.
  i64 tail_bytes = 0;
  for (const int32_t id : tail) tail_bytes += static_cast<i64>(tokenizer_.token_bytes(id).size());
  put(train_, all.first(all.size() - n_val), std::max<i64>(held_->n_bytes - tail_bytes, 0));
  put(val_, tail, std::min(tail_bytes, held_->n_bytes));
}

void DatasetWriter::resume(const DatasetProgress& progress) {
  for (auto [split, from] : {std::pair(&train_, &progress.train), {&val_, &progress.val}}) {
    split->writer.resume(from->shards);
    split->info = from->sums;
    n_documents_ += from->sums.documents;
  }
}

std::optional<DatasetProgress> DatasetWriter::progress() {
  if (held_ || n_documents_ == 0) return std::nullopt;
  return DatasetProgress{{train_.info, train_.writer.progress()},
                         {val_.info, val_.writer.progress()}};
}

i64 DatasetWriter::n_shards() const {
  return static_cast<i64>(train_.writer.shards().size() + val_.writer.shards().size());
}

DatasetInfo DatasetWriter::finish() {
  if (n_documents_ == 0) {
    fail("[data] the inputs hold no text, expected at least one document that is not empty");
  }
  if (held_ && n_documents_ == 1) {
    divide_held();
  } else if (held_) {
    Split& other = &side_of(held_->hash) == &train_ ? val_ : train_;
    put(other, held_->ids, held_->n_bytes);
  }
  train_.writer.finish();
  val_.writer.finish();
  train_.info.shards = train_.writer.shards();
  val_.info.shards = val_.writer.shards();
  DatasetInfo info{tokenizer_.save(dir_), tokenizer_.vocab_size(), train_.info, val_.info,
                   tokenizer_.fingerprint()};
  write_file_atomically(dir_ + "/" + kDatasetFile, to_json(info));
  return info;
}

}  // namespace lathe
