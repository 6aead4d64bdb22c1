// Parquet files of text, written by Arrow's own writer.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lathe::test {

struct ParquetLayout {
  std::string compression = "none";  // none, snappy, gzip, zstd
  bool dictionary = true;
  bool required = false;  // rather than optional: no row is null
  bool encrypted = false;
  size_t rows_in_group = 1000;
  bool page_checksums = false;
};

using ParquetRows = std::vector<std::optional<std::string>>;

// The columns "id" (INT64), "text" (the rows), "bytes" (the rows, no type but bytes), "doc.text"
// (the rows in a struct), "tags" (lists of strings, empty).
std::string parquet_file(const ParquetRows& rows, const ParquetLayout& layout = {});

}  // namespace lathe::test
