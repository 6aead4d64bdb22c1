// The shuffles between block-diagonal factors (core/linear_spec.h): columns dealt in turn to L
// groups, and collected from them. Powers of two up to 8 go through registers: L vectors of 32
// elements hold 32 columns of every group, and log₂ L rounds of two-source permutations sort them.
#include "kernels/train/avx512_math.h"
#include "kernels/train/avx512_parts.h"

namespace lathe::avx512 {

namespace {

inline const uint16_t* bits(const Bf16* p) { return reinterpret_cast<const uint16_t*>(p); }
inline uint16_t* bits(Bf16* p) { return reinterpret_cast<uint16_t*>(p); }

constexpr int kLanes = 32;  // bf16 in a vector
constexpr int kSumRows = 8;

// Indices into the 64 elements of two vectors for _mm512_permutex2var_epi16.
struct Indices {
  alignas(64) uint16_t even[kLanes], odd[kLanes];  // 0 2 4 …, 1 3 5 …
  alignas(64) uint16_t low[kLanes], high[kLanes];  // 0 32 1 33 …, 16 48 17 49 …
};
constexpr Indices kIndices = [] {
  Indices x{};
  for (int i = 0; i < kLanes; ++i) {
    x.even[i] = static_cast<uint16_t>(2 * i);
    x.odd[i] = static_cast<uint16_t>(2 * i + 1);
    x.low[i] = static_cast<uint16_t>(i / 2 + (i % 2) * kLanes);
    x.high[i] = static_cast<uint16_t>(x.low[i] + kLanes / 2);
  }
  return x;
}();
inline __m512i pick(__m512i a, const uint16_t* index, __m512i b) {
  return _mm512_permutex2var_epi16(a, _mm512_load_si512(index), b);
}

// out[l] = elements l, l + L, … of the sequence in[0] … in[L − 1].
template <int L>
inline void deal(const __m512i* in, __m512i* out) {
  if constexpr (L == 1) {
    out[0] = in[0];
  } else {
    __m512i even[L / 2], odd[L / 2], of_even[L / 2], of_odd[L / 2];
#pragma GCC unroll 4
    for (int i = 0; i < L / 2; ++i) {
      even[i] = pick(in[2 * i], kIndices.even, in[2 * i + 1]);
      odd[i] = pick(in[2 * i], kIndices.odd, in[2 * i + 1]);
    }
    deal<L / 2>(even, of_even);
    deal<L / 2>(odd, of_odd);
#pragma GCC unroll 4
    for (int i = 0; i < L / 2; ++i) {
      out[2 * i] = of_even[i];
      out[2 * i + 1] = of_odd[i];
    }
  }
}

// The inverse of deal.
template <int L>
inline void collect(const __m512i* in, __m512i* out) {
  if constexpr (L == 1) {
    out[0] = in[0];
  } else {
    __m512i of_even[L / 2], of_odd[L / 2], even[L / 2], odd[L / 2];
#pragma GCC unroll 4
    for (int i = 0; i < L / 2; ++i) {
      of_even[i] = in[2 * i];
      of_odd[i] = in[2 * i + 1];
    }
    collect<L / 2>(of_even, even);
    collect<L / 2>(of_odd, odd);
#pragma GCC unroll 4
    for (int i = 0; i < L / 2; ++i) {
      out[2 * i] = pick(even[i], kIndices.low, odd[i]);
      out[2 * i + 1] = pick(even[i], kIndices.high, odd[i]);
    }
  }
}

inline __m512 low_half(__m512i x) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(x)), 16));
}
inline __m512 high_half(__m512i x) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(x, 1)), 16));
}
inline float widened(uint16_t x) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(x) << 16)));
}

// Columns [from, C) of each group, for any L.
void deal_rest(const DealColumns& a, int64_t from, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    const uint16_t* row = bits(a.x) + n * a.C * a.L;
    for (int64_t l = 0; l < a.L; ++l) {
      uint16_t* group = bits(a.groups) + (l * a.N + n) * a.C;
      for (int64_t c = from; c < a.C; ++c) group[c] = row[c * a.L + l];
    }
    if (a.sums == nullptr) continue;
    for (int64_t i = from * a.L; i < a.C * a.L; ++i) a.sums[i] += widened(row[i]);
  }
}

// Eight rows at a time, as add_column_sums: the sums stay in registers for them.
template <int L, bool with_sums>
void deal_rows(const DealColumns& a, int64_t begin, int64_t end) {
  const int64_t whole = a.C / kLanes * kLanes;
  for (int64_t first = begin; first < end; first += kSumRows) {
    const int64_t rows = end - first < kSumRows ? end - first : kSumRows;
    for (int64_t c = 0; c < whole; c += kLanes) {
      __m512 sums[2 * L];
      if constexpr (with_sums) {
#pragma GCC unroll 16
        for (int i = 0; i < 2 * L; ++i) sums[i] = _mm512_loadu_ps(a.sums + c * L + 16 * i);
      }
      for (int64_t n = first; n < first + rows; ++n) {
        const uint16_t* row = bits(a.x) + (n * a.C + c) * L;
        __m512i in[L], out[L];
#pragma GCC unroll 8
        for (int i = 0; i < L; ++i) in[i] = _mm512_loadu_si512(row + kLanes * i);
        if constexpr (with_sums) {
#pragma GCC unroll 8
          for (int i = 0; i < L; ++i) {
            sums[2 * i] = _mm512_add_ps(sums[2 * i], low_half(in[i]));
            sums[2 * i + 1] = _mm512_add_ps(sums[2 * i + 1], high_half(in[i]));
          }
        }
        deal<L>(in, out);
#pragma GCC unroll 8
        for (int l = 0; l < L; ++l) {
          _mm512_storeu_si512(bits(a.groups) + (l * a.N + n) * a.C + c, out[l]);
        }
      }
      if constexpr (with_sums) {
#pragma GCC unroll 16
        for (int i = 0; i < 2 * L; ++i) _mm512_storeu_ps(a.sums + c * L + 16 * i, sums[i]);
      }
    }
  }
  deal_rest(a, whole, begin, end);
}

template <int L>
void deal_rows(const DealColumns& a, int64_t begin, int64_t end) {
  if (a.sums != nullptr) {
    deal_rows<L, true>(a, begin, end);
  } else {
    deal_rows<L, false>(a, begin, end);
  }
}

void collect_rest(const CollectColumns& a, int64_t from, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    uint16_t* row = bits(a.y) + n * a.C * a.L;
    for (int64_t l = 0; l < a.L; ++l) {
      const uint16_t* group = bits(a.groups) + (l * a.N + n) * a.C;
      for (int64_t c = from; c < a.C; ++c) row[c * a.L + l] = group[c];
    }
    if (a.bias == nullptr) continue;
    for (int64_t i = from * a.L; i < a.C * a.L; i += 16) {
      const int64_t left = a.C * a.L - i;
      const __m512 sum = _mm512_add_ps(load_bf16(row + i, left), load_bf16(a.bias + i, left));
      store_bf16(row + i, sum, left);
    }
  }
}

template <int L>
void collect_rows(const CollectColumns& a, int64_t begin, int64_t end) {
  const int64_t whole = a.C / kLanes * kLanes;
  for (int64_t n = begin; n < end; ++n) {
    for (int64_t c = 0; c < whole; c += kLanes) {
      __m512i in[L], out[L];
#pragma GCC unroll 8
      for (int l = 0; l < L; ++l) {
        in[l] = _mm512_loadu_si512(bits(a.groups) + (l * a.N + n) * a.C + c);
      }
      collect<L>(in, out);
      uint16_t* to = bits(a.y) + (n * a.C + c) * L;
#pragma GCC unroll 8
      for (int i = 0; i < L; ++i) {
        if (a.bias != nullptr) {
          const __m512i bias = _mm512_loadu_si512(a.bias + c * L + kLanes * i);
          out[i] = narrow_bf16(_mm512_add_ps(low_half(out[i]), low_half(bias)),
                               _mm512_add_ps(high_half(out[i]), high_half(bias)));
        }
        _mm512_storeu_si512(to + kLanes * i, out[i]);
      }
    }
  }
  collect_rest(a, whole, begin, end);
}

}  // namespace

void deal_columns(const DealColumns& args, int64_t begin, int64_t end) {
  switch (args.L) {
    case 2:
      return deal_rows<2>(args, begin, end);
    case 4:
      return deal_rows<4>(args, begin, end);
    case 8:
      return deal_rows<8>(args, begin, end);
    default:
      return deal_rest(args, 0, begin, end);
  }
}

void collect_columns(const CollectColumns& args, int64_t begin, int64_t end) {
  switch (args.L) {
    case 2:
      return collect_rows<2>(args, begin, end);
    case 4:
      return collect_rows<4>(args, begin, end);
    case 8:
      return collect_rows<8>(args, begin, end);
    default:
      return collect_rest(args, 0, begin, end);
  }
}

}  // namespace lathe::avx512
