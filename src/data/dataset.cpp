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

i64 SplitInfo::counted() const {
  i64 n = tokens;
  for (const ShardInfo& shard : shards) {
    if (shard.mask) n -= shard.tokens - shard.mask->counted;
  }
  return n;
}

bool SplitInfo::any_left_out() const {
  return std::any_of(shards.begin(), shards.end(),
                     [](const ShardInfo& shard) { return shard.mask.has_value(); });
}

EncodedText encode_prompted(const Tokenizer& tokenizer, std::string_view text,
                            size_t n_prompt_bytes) {
  EncodedText encoded{tokenizer.encode(text), 0};
  const std::string_view prompt = text.substr(0, n_prompt_bytes);
  const size_t end = prompt.find_last_not_of(" \t\n\v\f\r") + 1;
  if (end == 0) return encoded;
  const auto n = static_cast<i64>(tokenizer.encode(prompt.substr(0, end)).size());
  encoded.n_prompt = std::min(n, static_cast<i64>(encoded.ids.size()));
  return encoded;
}

void DatasetWriter::put_tokens(Split& split, const Held& document, i64 begin, i64 end) {
  const std::span<const int32_t> ids = document.ids;
  // End of text, the prompt, the rest.
  const i64 borders[] = {0, 1, 1 + document.n_prompt, std::ssize(document.ids)};
  for (int i = 0; i < 3; ++i) {
    const i64 from = std::max(begin, borders[i]), to = std::min(end, borders[i + 1]);
    if (from >= to) continue;
    split.writer.append(ids.subspan(static_cast<size_t>(from), static_cast<size_t>(to - from)),
                        /*count=*/i != 1);
  }
  split.info.tokens += end - begin;
  ++split.info.documents;
}

void DatasetWriter::put(Split& split, const Held& document) {
  put_tokens(split, document, 0, std::ssize(document.ids));
  split.info.bytes += document.n_bytes;
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
  put(side_of(document.hash), document);
}

void DatasetWriter::add(EncodedText document, i64 n_bytes, uint64_t hash) {
  if (document.ids.empty()) return;
  document.ids.insert(document.ids.begin(), end_of_text_);
  Held held{std::move(document.ids), document.n_prompt, n_bytes, hash};
  ++n_documents_;
  Split& side = side_of(hash);
  if (held_ && &side_of(held_->hash) != &side) {
    put(side_of(held_->hash), *held_);
    held_.reset();
  }
  const bool both = val_fraction_ == 0 || (n_documents_ > 1 && !held_);
  if (both) return put(side, held);
  hold(std::move(held));
}

void DatasetWriter::divide_held() {
  const auto n = static_cast<i64>(held_->ids.size());  // end of text and at least one more
  const auto wanted = static_cast<i64>(std::llround(val_fraction_ * static_cast<double>(n)));
  const i64 n_val = std::clamp<i64>(wanted, 1, n - 1);
  const auto tail = std::span<const int32_t>(held_->ids).last(static_cast<size_t>(n_val));
  // Decoding the tail by itself would put U+FFFD for a character that is cut in two.
  i64 tail_bytes = 0;
  for (const int32_t id : tail) tail_bytes += static_cast<i64>(tokenizer_.token_bytes(id).size());
  put_tokens(train_, *held_, 0, n - n_val);
  train_.info.bytes += std::max<i64>(held_->n_bytes - tail_bytes, 0);
  put_tokens(val_, *held_, n - n_val, n);
  val_.info.bytes += std::min(tail_bytes, held_->n_bytes);
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

void DatasetWriter::finish(Split& split) {
  if (split.writer.any_left_out()) {
    split.writer.append(std::span(&end_of_text_, 1));
    ++split.info.tokens;
  }
  split.writer.finish();
  split.info.shards = split.writer.shards();
}

DatasetInfo DatasetWriter::finish() {
  if (n_documents_ == 0) {
    fail("[data] the inputs hold no text, expected at least one document that is not empty");
  }
  if (held_ && n_documents_ == 1) {
    divide_held();
  } else if (held_) {
    Split& other = &side_of(held_->hash) == &train_ ? val_ : train_;
    put(other, *held_);
  }
  finish(train_);
  finish(val_);
  DatasetInfo info{tokenizer_.save(dir_), tokenizer_.vocab_size(), train_.info, val_.info,
                   tokenizer_.fingerprint()};
  write_file_atomically(dir_ + "/" + kDatasetFile, to_json(info));
  return info;
}

}  // namespace lathe
