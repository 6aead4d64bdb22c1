// Token shards: the .bin files that hold a corpus as token ids.
//
// 1024 bytes of header (256 little-endian 32-bit words), then the tokens:
//   word 0     20240520
//   word 1     the version
//   version 1  (llm.c) word 2 the number of tokens, then that many uint16
//   version 2  (ours)  word 3 the bytes per token, 2 or 4; words 4 and 5 the number of tokens as a
//              64-bit number; then that many uint16 or uint32. Word 2 is 0.
// All other words are 0 when written and are not looked at when read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/integer.h"
#include "base/mapped_file.h"
#include "data/token_mask.h"

namespace lathe {

inline constexpr size_t kShardHeaderBytes = 1024;
inline constexpr i64 kDefaultShardTokens = 100'000'000;

struct ShardLayout {
  i64 n_tokens = 0;
  int bytes_per_token = 0;  // 2 or 4
};

// Whether bytes begin as a shard does, whatever comes behind; four are enough.
bool begins_like_shard(std::string_view head);
// The same of a file; false for what is no file of its own (a folder, a pipe) or cannot be read.
bool is_shard_file(const std::string& path);

// Checks a whole shard (header and length). Throws Error beginning with `where`.
ShardLayout parse_shard(std::span<const std::byte> bytes, const std::string& where);

// One mapped shard, with the mask beside it where there is one. Const after construction; any
// number of threads.
class Shard {
 public:
  explicit Shard(const std::string& path);

  i64 size() const { return layout_.n_tokens; }
  int bytes_per_token() const { return layout_.bytes_per_token; }
  // 0 <= i < size().
  i64 token(i64 i) const;
  // Tokens offset … offset + out.size() - 1, all inside the shard.
  void copy(i64 offset, std::span<i64> out) const;
  // Whether each of them counts; all do without a mask.
  void copy_counted(i64 offset, std::span<uint8_t> out) const;
  const std::optional<MaskFile>& mask() const { return mask_; }
  // All tokens as they lie in the file.
  std::span<const std::byte> token_bytes() const {
    return file_.bytes().subspan(kShardHeaderBytes);
  }
  // The largest id, or -1 for an empty shard. Reads everything.
  i64 max_token() const;
  const std::string& path() const { return file_.path(); }

 private:
  template <class T>
  std::span<const T> tokens() const;

  MappedFile file_;
  ShardLayout layout_;
  std::optional<MaskFile> mask_;
};

// What a shard was when it was written.
struct ShardInfo {
  std::string file;  // its name in the folder
  i64 tokens = 0;
  uint32_t checksum = 0;           // CRC-32 of the tokens as they lie
  std::optional<MaskInfo> mask{};  // where not all of them count
};

// How far a ShardWriter is.
struct ShardProgress {
  std::vector<ShardInfo> shards;            // the whole ones
  i64 in_shard = 0;                         // tokens of the one that is being written
  uint32_t checksum = 0;                    // of them
  std::optional<uint32_t> mask_checksum{};  // of their bits, where not all of them count
};

// Writes NAME_000000.bin, NAME_000001.bin, … of at most `shard_tokens` tokens each into `dir`;
// version 1 where the vocabulary fits into 16 bits, else version 2. Each file appears whole, under
// its name, when it is full or at finish(); until then it is NAME_000000.bin.part. Where not all
// tokens of one count, NAME_000000.mask is there before it. One thread at a time.
class ShardWriter {
 public:
  ShardWriter(std::string dir, std::string name, i64 vocab_size,
              i64 shard_tokens = kDefaultShardTokens);
  // Goes on where an earlier one of the same arguments was, whatever that one has written since.
  // Throws Error when what it had written then is not there.
  void resume(const ShardProgress& progress);
  // Flushed to the disk.
  ShardProgress progress();

  // Throws Error for an id outside the vocabulary, and when the disk is full. `count`: whether a
  // model is to learn them.
  void append(std::span<const int32_t> ids, bool count = true);
  // Whether any token so far does not count.
  bool any_left_out() const;
  // Completes the last file. Without tokens there is no file.
  void finish();
  i64 n_tokens() const { return n_tokens_; }
  // The whole ones so far.
  const std::vector<ShardInfo>& shards() const { return shards_; }

 private:
  std::string next_name() const;
  std::string mask_part() const;  // where the bits of an open shard lie for a later process
  void resume_mask(const ShardProgress& progress);
  void open_shard(uint64_t size = 0);
  void close_shard();

  std::string dir_;
  std::string name_;
  i64 vocab_size_;
  i64 shard_tokens_;
  int bytes_per_token_;
  std::optional<AtomicFile> file_;
  i64 in_shard_ = 0;
  uint32_t checksum_ = 0;  // of what is in it
  MaskBits mask_;          // of it
  i64 n_tokens_ = 0;
  std::vector<ShardInfo> shards_;
  std::vector<uint16_t> narrow_;
};

// All tokens of one split as one long row, across the borders of its shards. Const after
// construction; any number of threads.
class TokenStream {
 public:
  // Every file *SPLIT*.bin of the folder in the order of their names ("train", "val"; so also
  // fineweb_train_000001.bin), or `path` itself when it is a file. Throws Error when there is none.
  TokenStream(const std::string& path, const std::string& split);
  // These files, in this order.
  explicit TokenStream(const std::vector<std::string>& files);

  i64 size() const { return begins_.back(); }
  i64 n_shards() const { return static_cast<i64>(shards_.size()); }
  const Shard& shard(i64 i) const { return shards_[static_cast<size_t>(i)]; }
  // 0 <= i < size().
  i64 token(i64 i) const;
  // Tokens offset … offset + out.size() - 1, all inside the stream.
  void copy(i64 offset, std::span<i64> out) const;
  // Whether each of them is to be learnt, 1 or 0; all are where no shard has a mask.
  void copy_counted(i64 offset, std::span<uint8_t> out) const;
  bool has_mask() const;
  // The largest id, or -1 without tokens. Reads everything.
  i64 max_token() const;
  // Throws Error, naming the shard, when an id is not below `vocab_size`. Reads everything.
  void check_vocab(i64 vocab_size) const;

 private:
  size_t shard_of(i64 i) const;
  // Calls take(shard, offset in it, part of out) for the pieces of tokens offset … in their order.
  template <class T, class Take>
  void for_pieces(i64 offset, std::span<T> out, const Take& take) const;

  std::vector<Shard> shards_;
  std::vector<i64> begins_;  // begins_[s]: offset of shard s; one more: the size
};

// The shards of a split in a folder, sorted by name; may be empty.
std::vector<std::string> find_shards(const std::string& dir, const std::string& split);

}  // namespace lathe
