// Which tokens of a shard a model is to learn: a file beside it, train_000000.mask beside
// train_000000.bin. Where there is none, all of them are.
//
// 16 bytes of header: "lathmask", the number of tokens as a little-endian 64-bit number. Then a bit
// a token, token i in bit i % 8 of byte i / 8, set where it counts; bits behind the last are 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/integer.h"
#include "base/mapped_file.h"

namespace lathe {

inline constexpr size_t kMaskHeaderBytes = 16;

// Checked bits; borrows them.
struct MaskView {
  std::span<const std::byte> bits;
  i64 n_tokens = 0;
  bool counts(i64 i) const {
    return (std::to_integer<unsigned>(bits[static_cast<size_t>(i / 8)]) >> (i % 8) & 1) != 0;
  }
  i64 n_counted() const;
};

// Checks a whole file: header, length, no bit behind the last token. Throws Error beginning with
// `where`.
MaskView parse_mask(std::span<const std::byte> bytes, const std::string& where);

// "train_000000.mask" of "train_000000.bin", with or without a folder before it.
std::string mask_file_of(const std::string& shard_file);

// One mapped file. Const after construction; any number of threads.
class MaskFile {
 public:
  explicit MaskFile(const std::string& path)
      : file_(path), view_(parse_mask(file_.bytes(), path)) {}
  const MaskView& view() const { return view_; }
  const std::string& path() const { return file_.path(); }

 private:
  MappedFile file_;
  MaskView view_;
};

// What a mask was when it was written.
struct MaskInfo {
  std::string file;       // its name in the folder
  i64 counted = 0;        // tokens that count
  uint32_t checksum = 0;  // CRC-32 of the bits as they lie
  bool operator==(const MaskInfo&) const = default;
};

// The bits of a shard that is being written: nothing is held while all tokens count.
class MaskBits {
 public:
  // The next n tokens, all of which count or do not.
  void append(i64 n, bool counts);
  i64 size() const { return n_tokens_; }
  bool any_left_out() const { return !bits_.empty(); }
  uint32_t checksum() const;
  i64 counted() const { return counted_; }
  // The file appears whole.
  void write(const std::string& path) const;
  // The first n_tokens of a mask as the bits so far.
  void take(const MaskView& mask, i64 n_tokens);
  void clear() { *this = {}; }

 private:
  std::vector<uint8_t> bits_;  // empty: all of them count
  i64 n_tokens_ = 0, counted_ = 0;
};

}  // namespace lathe
