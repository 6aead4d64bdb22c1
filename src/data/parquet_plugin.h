// What lathe's programs and liblathe_parquet.so, which reads Parquet for them, say to each other.
// The library is loaded when a Parquet file is met, so that the programs start and build without
// Apache Arrow. No exception crosses this border.
#pragma once

#include <string>
#include <string_view>

#include "base/integer.h"

namespace lathe {

// A file's one column of text, row by row, in its order. One thread at a time.
class ParquetColumn {
 public:
  enum class Step { kText, kNull, kEnd, kDamaged };

  virtual ~ParquetColumn() = default;
  // kText: the value in `text`, good until the next call. kDamaged: what is wrong in `problem`, of
  // the row that row() would have been; there is no going on.
  virtual Step next(std::string_view& text, std::string& problem) noexcept = 0;
  // The rows taken so far, and how many there are.
  virtual i64 row() const noexcept = 0;
  virtual i64 n_rows() const noexcept = 0;
  // The row group that the next row is in, from 0.
  virtual int row_group() const noexcept = 0;
};

struct ParquetRequest {
  std::string path;
  std::string column;   // its name; dotted for a field of a struct
  i64 first_row = 0;    // the rows before it are not looked at
  i64 most_memory = 0;  // bytes of a page and a dictionary, unpacked; more is damage
};

// Nothing, and what is wrong in `problem`, where the file is not one with such a column.
using OpenParquet = ParquetColumn* (*)(const ParquetRequest& request, std::string& problem);
inline constexpr const char* kOpenParquet = "lathe_open_parquet";

}  // namespace lathe
