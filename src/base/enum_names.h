// The names of an enumeration's values, as files and messages spell them, in one list beside it:
//   enum class NormKind { kLayerNorm, kRmsNorm };
//   constexpr auto names_of(NormKind) { return enum_names<NormKind>("layer_norm", "rms_norm"); }
// The compiler holds the list against the enumerators: one too few or too many, or a name that is
// spelt otherwise than its enumerator, does not compile.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace lathe {

// "kRmsNorm" of NormKind::kRmsNorm; "" where V is no enumerator.
template <auto V>
consteval std::string_view enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;  // … V = lathe::NormKind::kRmsNorm; …]
  const size_t begin = text.find("V = ") + 4;
  const std::string_view value = text.substr(begin, text.find_first_of(";]", begin) - begin);
  const std::string_view last = value.substr(value.rfind(':') + 1);
  return last.find(')') == last.npos ? last : "";  // (lathe::NormKind)2
}

// Whether `name` is `enumerator` without its k: kRmsNorm and rms_norm, kBf16 and bf16.
constexpr bool spells(std::string_view enumerator, std::string_view name) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  size_t at = 1;
  for (const char c : name) {
    if (c == '_') continue;
    if (at >= enumerator.size() || lower(enumerator[at]) != c) return false;
    ++at;
  }
  return at == enumerator.size();
}

template <class E, class... Names>
consteval auto enum_names(Names... names) {
  constexpr size_t n = sizeof...(Names);
  const std::array<std::string_view, n> list = {names...};
  const auto enumerators = []<size_t... I>(std::index_sequence<I...>) {
    return std::array<std::string_view, sizeof...(I)>{enumerator<static_cast<E>(I)>()...};
  }
  (std::make_index_sequence<n + 1>());
  for (size_t i = 0; i < n; ++i) {
    if (!spells(enumerators[i], list[i]))
      throw "a name is not spelt as the enumerator at its place";
  }
  if (!enumerators[n].empty()) throw "a value has no name";
  return list;
}

// All names of an enumeration that has a names_of, in the order of its values.
template <class E>
inline constexpr auto kNamesOf = names_of(E{});

template <class E>
constexpr auto name_of(E value) -> decltype(names_of(value)[0], std::string_view()) {
  const auto i = static_cast<size_t>(value);
  return i < kNamesOf<E>.size() ? kNamesOf<E>[i] : "?";
}

// The value of that name; nothing where there is none.
template <class E>
constexpr std::optional<E> value_of(std::string_view name) {
  for (size_t i = 0; i < kNamesOf<E>.size(); ++i) {
    if (kNamesOf<E>[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

// All values of an enumeration that has a names_of.
template <class E>
inline constexpr auto kValuesOf = []<size_t... I>(std::index_sequence<I...>) {
  return std::array<E, sizeof...(I)>{static_cast<E>(I)...};
}
(std::make_index_sequence<kNamesOf<E>.size()>());

// Whether a table that is looked up by a value's number has a row for each, in their order; for
// static_assert.
template <class E, class Row, size_t N>
consteval bool one_row_each(const Row (&rows)[N], E Row::*value) {
  if (N != kNamesOf<E>.size()) return false;
  for (size_t i = 0; i < N; ++i) {
    if (rows[i].*value != static_cast<E>(i)) return false;
  }
  return true;
}

}  // namespace lathe
