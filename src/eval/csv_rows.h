// Comma-separated values (RFC 4180): quoted fields may hold commas, line ends and doubled quotes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/integer.h"

namespace lathe {

struct CsvRow {
  std::vector<std::string> fields;
  i64 line = 0;  // where it begins, from 1
};

// Error naming `where` and the line for a quote that does not end, text behind one, and what is not
// UTF-8. Empty lines are passed over.
std::vector<CsvRow> parse_csv(std::string_view bytes, const std::string& where);

}  // namespace lathe
