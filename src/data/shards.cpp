#include "data/shards.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/checksum.h"
#include "base/error.h"

namespace lathe {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are mapped as they are");

constexpr uint32_t kMagic = 20240520;
constexpr i64 kMaxVersion1Tokens = std::numeric_limits<int32_t>::max();

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

uint32_t header_word(std::span<const std::byte> bytes, size_t index) {
  uint32_t word;
  std::memcpy(&word, bytes.data() + 4 * index, sizeof word);
  return word;
}

// Which need not be there.
void remove_file(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

}  // namespace

bool begins_like_shard(std::string_view head) {
  uint32_t magic = 0;
  if (head.size() < sizeof magic) return false;
  std::memcpy(&magic, head.data(), sizeof magic);
  return magic == kMagic;
}

bool is_shard_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  char head[sizeof kMagic];
  std::ifstream in(path, std::ios::binary);
  return in.read(head, sizeof head) && begins_like_shard({head, sizeof head});
}

ShardLayout parse_shard(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < kShardHeaderBytes) {
    fail("[shard] {}: {} bytes, expected at least the {} of a header; is the file whole?", where,
         bytes.size(), kShardHeaderBytes);
  }
  if (const uint32_t magic = header_word(bytes, 0); magic != kMagic) {
    fail("[shard] {}: begins with {}, expected {}; is this a token shard (lathe data prepare)?",
         where, magic, kMagic);
  }
  const uint32_t version = header_word(bytes, 1);
  uint64_t n_tokens = 0;
  uint32_t bytes_per_token = 2;
  if (version == 1) {
    n_tokens = header_word(bytes, 2);
  } else if (version == 2) {
    bytes_per_token = header_word(bytes, 3);
    n_tokens = header_word(bytes, 4) | uint64_t{header_word(bytes, 5)} << 32;
  } else {
    fail("[shard] {}: version {}, expected 1 or 2; prepare the data again", where, version);
  }
  if (bytes_per_token != 2 && bytes_per_token != 4) {
    fail("[shard] {}: {} bytes per token, expected 2 or 4", where, bytes_per_token);
  }
  const uint64_t body = bytes.size() - kShardHeaderBytes;
  if (body % bytes_per_token != 0 || body / bytes_per_token != n_tokens) {
    fail(
        "[shard] {}: {} bytes after the header, expected {} tokens of {} bytes; is the file whole?",
        where, body, n_tokens, bytes_per_token);
  }
  return {static_cast<i64>(n_tokens), static_cast<int>(bytes_per_token)};
}

Shard::Shard(const std::string& path) : file_(path), layout_(parse_shard(file_.bytes(), path)) {
  const std::string mask = mask_file_of(path);
  std::error_code ignored;
  if (!path.ends_with(".bin") || !std::filesystem::exists(mask, ignored)) return;
  mask_.emplace(mask);
  if (mask_->view().n_tokens == size()) return;
  fail("[mask] {}: of {} tokens, and the shard beside it has {}; prepare the data again", mask,
       mask_->view().n_tokens, size());
}

template <class T>
std::span<const T> Shard::tokens() const {
  // The map is page-aligned and the header a multiple of 4.
  return {reinterpret_cast<const T*>(file_.bytes().data() + kShardHeaderBytes),
          static_cast<size_t>(layout_.n_tokens)};
}

i64 Shard::token(i64 i) const {
  LATHE_DCHECK(i >= 0 && i < size());
  const size_t index = static_cast<size_t>(i);
  return layout_.bytes_per_token == 2 ? i64{tokens<uint16_t>()[index]}
                                      : i64{tokens<uint32_t>()[index]};
}

void Shard::copy(i64 offset, std::span<i64> out) const {
  LATHE_CHECK(offset >= 0 && offset <= size() &&
              out.size() <= static_cast<uint64_t>(size() - offset));
  const size_t begin = static_cast<size_t>(offset);
  if (layout_.bytes_per_token == 2) {
    std::ranges::copy(tokens<uint16_t>().subspan(begin, out.size()), out.begin());
  } else {
    std::ranges::copy(tokens<uint32_t>().subspan(begin, out.size()), out.begin());
  }
}

void Shard::copy_counted(i64 offset, std::span<uint8_t> out) const {
  LATHE_CHECK(offset >= 0 && offset <= size() &&
              out.size() <= static_cast<uint64_t>(size() - offset));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = !mask_ || mask_->view().counts(offset + static_cast<i64>(i));
  }
}

i64 Shard::max_token() const {
  if (size() == 0) return -1;
  return layout_.bytes_per_token == 2 ? i64{std::ranges::max(tokens<uint16_t>())}
                                      : i64{std::ranges::max(tokens<uint32_t>())};
}

ShardWriter::ShardWriter(std::string dir, std::string name, i64 vocab_size, i64 shard_tokens)
    : dir_(std::move(dir)),
      name_(std::move(name)),
      vocab_size_(vocab_size),
      shard_tokens_(shard_tokens),
      bytes_per_token_(vocab_size <= (1 << 16) ? 2 : 4) {
  if (shard_tokens_ < 1 || (bytes_per_token_ == 2 && shard_tokens_ > kMaxVersion1Tokens)) {
    fail("[shard] {} tokens a shard, expected 1 to {}", shard_tokens_, kMaxVersion1Tokens);
  }
}

std::string ShardWriter::next_name() const { return name_ + format("_{:06d}.bin", shards_.size()); }

std::string ShardWriter::mask_part() const {
  return dir_ + "/" + mask_file_of(next_name()) + ".part";
}

void ShardWriter::open_shard(uint64_t size) {
  const std::string path = dir_ + "/" + next_name();
  file_.emplace(path, path + ".part", size);
  if (size > 0) return;
  const std::vector<char> header(kShardHeaderBytes);
  file_->write(header.data(), header.size());
  in_shard_ = 0;
  checksum_ = 0;
  mask_.clear();
}

void ShardWriter::close_shard() {
  uint32_t words[6] = {kMagic, 1, static_cast<uint32_t>(in_shard_)};
  if (bytes_per_token_ == 4) {
    const uint64_t count = static_cast<uint64_t>(in_shard_);
    words[1] = 2;
    words[2] = 0;
    words[3] = 4;
    words[4] = static_cast<uint32_t>(count);
    words[5] = static_cast<uint32_t>(count >> 32);
  }
  ShardInfo info{next_name(), in_shard_, checksum_};
  if (mask_.any_left_out()) {
    info.mask = {mask_file_of(next_name()), mask_.counted(), mask_.checksum()};
    mask_.write(dir_ + "/" + info.mask->file);
  }
  file_->write_at(0, words, sizeof words);
  file_->commit();
  file_.reset();
  remove_file(mask_part());
  shards_.push_back(std::move(info));
}

ShardProgress ShardWriter::progress() {
  if (!file_) return {shards_, 0, 0};
  file_->sync();
  ShardProgress progress{shards_, in_shard_, checksum_};
  if (mask_.any_left_out()) {
    mask_.write(mask_part());
    progress.mask_checksum = mask_.checksum();
  }
  return progress;
}

void ShardWriter::resume_mask(const ShardProgress& progress) {
  if (!progress.mask_checksum) {
    mask_.append(progress.in_shard, true);
    return;
  }
  // Whole already where the shard was completed since.
  std::error_code ignored;
  const bool open = std::filesystem::exists(mask_part(), ignored);
  const std::string path = open ? mask_part() : dir_ + "/" + mask_file_of(next_name());
  const MaskFile written(path);
  if (written.view().n_tokens >= progress.in_shard) {
    mask_.take(written.view(), progress.in_shard);
    if (mask_.checksum() == *progress.mask_checksum) return;
  }
  fail("[shard] {} is not what was written before; begin anew", path);
}

bool ShardWriter::any_left_out() const {
  return mask_.any_left_out() || std::any_of(shards_.begin(), shards_.end(), [](const auto& info) {
           return info.mask.has_value();
         });
}

void ShardWriter::resume(const ShardProgress& progress) {
  for (const ShardInfo& shard : progress.shards) {
    if (Shard(dir_ + "/" + shard.file).size() != shard.tokens) {
      fail("[shard] {}/{} has not the {} tokens written before; begin anew", dir_, shard.file,
           shard.tokens);
    }
    n_tokens_ += shard.tokens;
    remove_file(dir_ + "/" + mask_file_of(shard.file) + ".part");
  }
  shards_ = progress.shards;
  if (progress.in_shard == 0) return;
  const auto n_bytes = static_cast<size_t>(progress.in_shard * bytes_per_token_);
  open_shard(kShardHeaderBytes + n_bytes);
  const MappedFile written(file_->temporary_path());
  checksum_ = checksum(written.bytes().subspan(kShardHeaderBytes, n_bytes));
  if (checksum_ != progress.checksum) {
    fail("[shard] {} is not what was written before; begin anew", file_->temporary_path());
  }
  in_shard_ = progress.in_shard;
  n_tokens_ += in_shard_;
  resume_mask(progress);
}

void ShardWriter::append(std::span<const int32_t> ids, bool count) {
  for (const int32_t id : ids) {
    if (id >= 0 && id < vocab_size_) continue;
    fail("[shard] {}/{}: token id {}, expected 0 to {}; is this the right tokenizer?", dir_, name_,
         id, vocab_size_ - 1);
  }
  while (!ids.empty()) {
    if (!file_) open_shard();
    const size_t n = std::min(ids.size(), static_cast<size_t>(shard_tokens_ - in_shard_));
    std::span<const std::byte> bytes = std::as_bytes(ids.first(n));
    if (bytes_per_token_ == 2) {
      narrow_.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n));
      bytes = std::as_bytes(std::span(narrow_));
    }
    file_->write(bytes.data(), bytes.size());
    checksum_ = checksum(bytes, checksum_);
    mask_.append(static_cast<i64>(n), count);
    in_shard_ += static_cast<i64>(n);
    n_tokens_ += static_cast<i64>(n);
    ids = ids.subspan(n);
    if (in_shard_ == shard_tokens_) close_shard();
  }
}

void ShardWriter::finish() {
  if (file_) close_shard();
}

std::vector<std::string> find_shards(const std::string& dir, const std::string& split) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".bin") && name.find(split) != name.npos) files.push_back(it->path());
  }
  if (error) fail("[data] cannot read the folder '{}': {}", dir, error.message());
  std::sort(files.begin(), files.end());
  return files;
}

TokenStream::TokenStream(const std::string& path, const std::string& split)
    : TokenStream(is_folder(path) ? find_shards(path, split) : std::vector<std::string>{path}) {
  if (shards_.empty()) {
    fail("[data] '{}' has no shard *{}*.bin, expected a folder made by 'lathe data prepare'", path,
         split);
  }
}

TokenStream::TokenStream(const std::vector<std::string>& files) : begins_{0} {
  shards_.reserve(files.size());
  for (const std::string& file : files) {
    shards_.emplace_back(file);
    begins_.push_back(begins_.back() + shards_.back().size());
  }
}

size_t TokenStream::shard_of(i64 i) const {
  // The last shard that begins at or before i; empty ones begin where the next one does.
  return static_cast<size_t>(std::ranges::upper_bound(begins_, i) - begins_.begin()) - 1;
}

i64 TokenStream::token(i64 i) const {
  LATHE_CHECK(i >= 0 && i < size());
  const size_t s = shard_of(i);
  return shards_[s].token(i - begins_[s]);
}

template <class T, class Take>
void TokenStream::for_pieces(i64 offset, std::span<T> out, const Take& take) const {
  LATHE_CHECK(offset >= 0 && offset <= size() &&
              out.size() <= static_cast<uint64_t>(size() - offset));
  while (!out.empty()) {
    const size_t s = shard_of(offset);
    const size_t n = std::min(out.size(), static_cast<size_t>(begins_[s + 1] - offset));
    take(shards_[s], offset - begins_[s], out.first(n));
    out = out.subspan(n);
    offset += static_cast<i64>(n);
  }
}

void TokenStream::copy(i64 offset, std::span<i64> out) const {
  for_pieces(offset, out,
             [](const Shard& shard, i64 at, std::span<i64> part) { shard.copy(at, part); });
}

void TokenStream::copy_counted(i64 offset, std::span<uint8_t> out) const {
  for_pieces(offset, out, [](const Shard& shard, i64 at, std::span<uint8_t> part) {
    shard.copy_counted(at, part);
  });
}

bool TokenStream::has_mask() const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [](const Shard& shard) { return shard.mask().has_value(); });
}

i64 TokenStream::max_token() const {
  i64 largest = -1;
  for (const Shard& shard : shards_) largest = std::max(largest, shard.max_token());
  return largest;
}

void TokenStream::check_vocab(i64 vocab_size) const {
  for (const Shard& shard : shards_) {
    if (const i64 id = shard.max_token(); id >= vocab_size) {
      fail("[data] {}: token id {}, expected 0 to {}; was it prepared with another tokenizer?",
           shard.path(), id, vocab_size - 1);
    }
  }
}

}  // namespace lathe
