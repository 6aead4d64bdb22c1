// A row of a table that is looked up by name.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/integer.h"

namespace lathe {

// The row of that name, which is there unless there is a bug.
template <class Row>
const Row& row_named(const Row* rows, i64 n, std::string_view name) {
  const Row* row = std::find_if(rows, rows + n, [&](const Row& r) { return name == r.name; });
  LATHE_CHECK(row != rows + n);
  return *row;
}

}  // namespace lathe
