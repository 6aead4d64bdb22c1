// What Unicode 16, which the tokenizers' own engine follows, says of characters that PCRE2 10.42
// (Unicode 14) does not know or files elsewhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace lathe {

// first … last are of category `now` ("Lo"), in an older table of category `before`; `script` and
// `script_code` are its script's names in lower case without spaces ("han", "hani").
struct UnicodeChange {
  uint32_t first, last;
  std::string_view before, now, script, script_code;
};

// In rising order, without overlap.
std::span<const UnicodeChange> unicode_changes();

// Whether well-formed UTF-8 has a character of the table.
bool has_unicode_change(std::string_view text);

}  // namespace lathe
