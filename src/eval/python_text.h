// The few string functions of Python that the benchmarks' requests are made with, on UTF-8.
#pragma once

#include <string>
#include <string_view>

#include "base/integer.h"

namespace lathe {

// Code points: what len() says of a str. The text is UTF-8.
i64 count_code_points(std::string_view text);

// str.strip() and str.rstrip(): what Unicode calls white space, and the separators 0x1C to 0x1F.
std::string_view strip(std::string_view text);
std::string_view strip_right(std::string_view text);

// str.capitalize(): the first character in title case, the others in lower case. By the one to one
// mappings of Unicode; "ß", which two letters stand for in title case, stays.
std::string capitalized(std::string_view text);
// The first character in lower case.
std::string with_lower_first(std::string_view text);
// Without the last character; of nothing nothing.
std::string_view without_last(std::string_view text);

// str.replace(): from left to right, what has been written is not looked at again.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace lathe
