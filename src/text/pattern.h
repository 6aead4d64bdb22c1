// Regular expressions of tokenizer files, in the syntax of the tokenizers' own engine (Oniguruma),
// as PCRE2 has to spell them.
#pragma once

#include <string>
#include <string_view>

namespace lathe {

enum class UnicodeTables {
  kLibrary,  // PCRE2's own: fast, and right for text without characters of unicode_changes()
  kCurrent,  // these with unicode_changes(): right for every text
};

// `pattern` with \s and \S spelt out, so that they mean Unicode's White_Space; \d as decimal
// digits; scripts as the property Script (PCRE2 takes Script_Extensions); and \p{…} by `tables`.
// Throws Error for what the two engines would read differently.
std::string translate_pattern(std::string_view pattern, UnicodeTables tables);

}  // namespace lathe
