#include "text/normalization.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace lathe {
namespace {

constexpr uint32_t kMaxCodePoint = 0x10FFFF;
// What utf8proc writes for one character is at most 18 long (U+FDFA).
constexpr size_t kMaxDecomposed = 32;

struct Range {
  uint32_t first, last;
};

constexpr Range kInert[] = {
#include "text/normalization_inert.inc"
};

bool is_inert(uint32_t code_point) {
  const auto at = std::lower_bound(std::begin(kInert), std::end(kInert), code_point,
                                   [](const Range& range, uint32_t c) { return range.last < c; });
  return at != std::end(kInert) && at->first <= code_point;
}

utf8proc_option_t options_of(Normalization form) {
  const int compose = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  return static_cast<utf8proc_option_t>(form == Normalization::kNfkc ? compose | UTF8PROC_COMPAT
                                                                     : compose);
}

int combining_class(uint32_t code_point) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point))->combining_class;
}

using Decomposed = std::array<utf8proc_int32_t, kMaxDecomposed>;

size_t decompose(uint32_t code_point, Normalization form, Decomposed& out) {
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), out.data(),
                                         out.size(), options_of(form), &boundary);
  LATHE_CHECK(n > 0 && n <= static_cast<utf8proc_ssize_t>(out.size()));
  return static_cast<size_t>(n);
}

// In place; the new length.
size_t compose(utf8proc_int32_t* text, size_t n, Normalization form) {
  const auto length =
      utf8proc_normalize_utf32(text, static_cast<utf8proc_ssize_t>(n), options_of(form));
  LATHE_CHECK(length >= 0);
  return static_cast<size_t>(length);
}

}  // namespace

TextNormalizer::TextNormalizer(Normalization form) : form_(form) {
  if (form == Normalization::kNone) return;
  active_.resize((kMaxCodePoint + 1) / 8);
  const auto mark = [this](uint32_t c) {
    if (!is_inert(c)) active_[c >> 3] |= static_cast<uint8_t>(1u << (c & 7));
  };
  for (uint32_t c = 0; c <= kMaxCodePoint; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
    if (property->combining_class != 0) mark(c);
    if (property->decomp_seqindex == UINT16_MAX) continue;
    Decomposed parts;
    const size_t n = decompose(c, Normalization::kNfc, parts);
    // What may join with something before it stands second in a canonical decomposition.
    for (size_t i = 1; i < n; ++i) mark(static_cast<uint32_t>(parts[i]));
    const size_t n_form = decompose(c, form, parts);
    const size_t n_composed = compose(parts.data(), n_form, form);
    if (n_composed != 1 || parts[0] != static_cast<utf8proc_int32_t>(c)) mark(c);
  }
  // The vowels and final consonants of Hangul, which join by arithmetic.
  for (uint32_t c = 0x1161; c <= 0x1175; ++c) mark(c);
  for (uint32_t c = 0x11A8; c <= 0x11C2; ++c) mark(c);
  while (!is_active(first_active_)) ++first_active_;
}

size_t TextNormalizer::next_active(std::string_view text, size_t at) const {
  while (at < text.size()) {
    uint64_t word;
    if (text.size() - at >= sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        at += sizeof word;
        continue;
      }
    }
    const CodePoint c = read_code_point(text.substr(at));
    if (c.length > 0 && c.value >= first_active_ && is_active(c.value)) break;
    at += std::max<size_t>(c.length, 1);
  }
  return std::min(at, text.size());
}

std::string_view TextNormalizer::apply(std::string_view text, std::string& buffer) const {
  if (form_ == Normalization::kNone) return text;
  size_t active = next_active(text, 0);
  if (active == text.size()) return text;
  buffer.clear();
  size_t done = 0;
  while (active < text.size()) {
    // From the character before, with which the active one may join, up to the next quiet one.
    size_t begin = active;
    while (begin > done && (static_cast<uint8_t>(text[begin - 1]) & 0xC0) == 0x80) --begin;
    if (begin > done) --begin;
    const CodePoint base = read_code_point(text.substr(begin));
    if (base.length != active - begin || is_inert(base.value)) begin = active;
    size_t end = active;
    for (;;) {
      const CodePoint c = read_code_point(text.substr(end));
      if (c.length == 0 || !is_active(c.value)) break;
      end += c.length;
    }
    buffer += text.substr(done, begin - done);
    append_normalized(text.substr(begin, end - begin), buffer);
    done = end;
    active = next_active(text, end);
  }
  buffer += text.substr(done);
  return buffer;
}

// utf8proc's own ordering of marks takes quadratic time, so that it only joins here.
void TextNormalizer::append_normalized(std::string_view span, std::string& out) const {
  std::vector<utf8proc_int32_t> points;
  while (!span.empty()) {
    const CodePoint c = read_code_point(span);
    Decomposed parts;
    const size_t n = decompose(c.value, form_, parts);
    points.insert(points.end(), parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(n));
    span.remove_prefix(c.length);
  }
  const auto class_of = [](utf8proc_int32_t c) {
    return combining_class(static_cast<uint32_t>(c));
  };
  for (auto begin = points.begin(); begin != points.end();) {
    const auto marks = std::find_if(begin, points.end(), [&](auto c) { return class_of(c) != 0; });
    begin = std::find_if(marks, points.end(), [&](auto c) { return class_of(c) == 0; });
    std::stable_sort(marks, begin, [&](auto a, auto b) { return class_of(a) < class_of(b); });
  }
  const size_t n = compose(points.data(), points.size(), form_);
  for (size_t i = 0; i < n; ++i) append_code_point(static_cast<uint32_t>(points[i]), out);
}

}  // namespace lathe
