#include "text/byte_masks.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lathe {
namespace {

// A bit for each member of ByteMasks, in their order.
constexpr std::array<uint8_t, 256> kClassBits = [] {
  std::array<uint8_t, 256> bits{};
  for (int c = 0; c < 256; ++c) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool white = (c >= 9 && c <= 13) || c == ' ';
    bits[c] = static_cast<uint8_t>(letter | (c >= '0' && c <= '9') << 1 | white << 2 |
                                   (c == ' ') << 3 | (c == '\'') << 4 | (c >= 0x80) << 5);
  }
  return bits;
}();

void masks_scalar(const char* bytes, ByteMasks& masks) {
  std::array<uint64_t, 6> rows{};
  for (size_t i = 0; i < kBatchBytes; ++i) {
    const uint64_t bits = kClassBits[static_cast<uint8_t>(bytes[i])];
    for (size_t row = 0; row < rows.size(); ++row) rows[row] |= (bits >> row & 1) << i;
  }
  masks = {rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]};
}

#if defined(__x86_64__)

// The attribute keeps the wider instructions to these functions, which are called for such a CPU
// only; what they call are intrinsics, which leave no function behind.

__attribute__((target("avx2"))) void masks_avx2(const char* bytes, ByteMasks& masks) {
  masks = {};
  for (int half = 0; half < 2; ++half) {
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes) + half);
    const __m256i letter =
        _mm256_sub_epi8(_mm256_or_si256(b, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
    const __m256i digit = _mm256_sub_epi8(b, _mm256_set1_epi8('0'));
    const __m256i control = _mm256_sub_epi8(b, _mm256_set1_epi8(9));
    const __m256i space = _mm256_cmpeq_epi8(b, _mm256_set1_epi8(' '));
    const __m256i is_letter =
        _mm256_cmpeq_epi8(_mm256_min_epu8(letter, _mm256_set1_epi8(25)), letter);
    const __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(digit, _mm256_set1_epi8(9)), digit);
    const __m256i is_control =
        _mm256_cmpeq_epi8(_mm256_min_epu8(control, _mm256_set1_epi8(4)), control);
    const __m256i is_apostrophe = _mm256_cmpeq_epi8(b, _mm256_set1_epi8('\''));
    const auto put = [half](uint64_t& mask, int bits) {
      mask |= uint64_t{static_cast<uint32_t>(bits)} << (32 * half);
    };
    put(masks.letters, _mm256_movemask_epi8(is_letter));
    put(masks.digits, _mm256_movemask_epi8(is_digit));
    put(masks.white, _mm256_movemask_epi8(_mm256_or_si256(is_control, space)));
    put(masks.spaces, _mm256_movemask_epi8(space));
    put(masks.apostrophes, _mm256_movemask_epi8(is_apostrophe));
    put(masks.high, _mm256_movemask_epi8(b));
  }
}

__attribute__((target("avx512f,avx512bw"))) void masks_avx512(const char* bytes, ByteMasks& masks) {
  const __m512i b = _mm512_loadu_si512(bytes);
  const __m512i letter =
      _mm512_sub_epi8(_mm512_or_si512(b, _mm512_set1_epi8(0x20)), _mm512_set1_epi8('a'));
  const __m512i digit = _mm512_sub_epi8(b, _mm512_set1_epi8('0'));
  const __m512i control = _mm512_sub_epi8(b, _mm512_set1_epi8(9));
  masks.letters = _mm512_cmple_epu8_mask(letter, _mm512_set1_epi8(25));
  masks.digits = _mm512_cmple_epu8_mask(digit, _mm512_set1_epi8(9));
  masks.spaces = _mm512_cmpeq_epi8_mask(b, _mm512_set1_epi8(' '));
  masks.white = _mm512_cmple_epu8_mask(control, _mm512_set1_epi8(4)) | masks.spaces;
  masks.apostrophes = _mm512_cmpeq_epi8_mask(b, _mm512_set1_epi8('\''));
  masks.high = _mm512_movepi8_mask(b);
}

#endif

}  // namespace

MakeByteMasks byte_masks_function(CpuIsa isa) {
#if defined(__x86_64__)
  if (isa >= CpuIsa::kAvx512) return masks_avx512;
  if (isa >= CpuIsa::kAvx2) return masks_avx2;
#endif
  static_cast<void>(isa);
  return masks_scalar;
}

}  // namespace lathe
