#include "data/token_mask.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/numeric.h"

namespace lathe {
namespace {

static_assert(std::endian::native == std::endian::little, "masks are mapped as they are");

constexpr std::string_view kMagic = "lathmask";

}  // namespace

i64 MaskView::n_counted() const {
  i64 n = 0;
  for (const std::byte byte : bits) n += std::popcount(std::to_integer<unsigned>(byte));
  return n;
}

MaskView parse_mask(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < kMaskHeaderBytes) {
    fail("[mask] {}: {} bytes, expected at least the {} of a header; is the file whole?", where,
         bytes.size(), kMaskHeaderBytes);
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    fail("[mask] {}: does not begin with \"{}\"; is this the mask of a shard (lathe data prepare)?",
         where, kMagic);
  }
  uint64_t n_tokens = 0;
  std::memcpy(&n_tokens, bytes.data() + kMagic.size(), sizeof n_tokens);
  const std::span<const std::byte> bits = bytes.subspan(kMaskHeaderBytes);
  if (n_tokens / 8 + (n_tokens % 8 != 0) != bits.size()) {
    fail(
        "[mask] {}: {} bytes after the header, expected a bit for each of {} tokens; is the file "
        "whole?",
        where, bits.size(), n_tokens);
  }
  if (n_tokens % 8 != 0 && std::to_integer<unsigned>(bits.back()) >> (n_tokens % 8) != 0) {
    fail("[mask] {}: bits behind the last of its {} tokens, expected none; is the file damaged?",
         where, n_tokens);
  }
  return {bits, static_cast<i64>(n_tokens)};
}

std::string mask_file_of(const std::string& shard_file) {
  constexpr std::string_view kEnding = ".bin";
  const bool ends = shard_file.ends_with(kEnding);
  return shard_file.substr(0, shard_file.size() - (ends ? kEnding.size() : 0)) + ".mask";
}

void MaskBits::append(i64 n, bool counts) {
  if (!counts && n > 0 && bits_.empty()) {
    // All before it count.
    bits_.assign(static_cast<size_t>(div_up(n_tokens_, 8)), 0xFF);
    if (n_tokens_ % 8 != 0) bits_.back() = static_cast<uint8_t>((1 << n_tokens_ % 8) - 1);
  }
  if (!bits_.empty() || (!counts && n > 0)) {
    bits_.resize(static_cast<size_t>(div_up(n_tokens_ + n, 8)));
    for (i64 i = n_tokens_; counts && i < n_tokens_ + n; ++i) {
      bits_[static_cast<size_t>(i / 8)] |= static_cast<uint8_t>(1 << i % 8);
    }
  }
  n_tokens_ += n;
  counted_ += counts ? n : 0;
}

uint32_t MaskBits::checksum() const { return lathe::checksum(std::as_bytes(std::span(bits_))); }

void MaskBits::write(const std::string& path) const {
  const auto n = static_cast<uint64_t>(n_tokens_);
  AtomicFile file(path);
  file.write(kMagic);
  file.write(&n, sizeof n);
  file.write(bits_.data(), bits_.size());
  file.commit();
}

void MaskBits::take(const MaskView& mask, i64 n_tokens) {
  LATHE_CHECK(n_tokens <= mask.n_tokens);
  clear();
  for (i64 i = 0; i < n_tokens; ++i) append(1, mask.counts(i));
}

}  // namespace lathe
