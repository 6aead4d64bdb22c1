// The documents of a Parquet file: the values of one column of strings.
#pragma once

#include <memory>
#include <string>

#include "data/document_source.h"
#include "data/parquet_plugin.h"

namespace lathe {

// Whether the file's own bytes, at both ends, are those of Parquet, encrypted or not. False for
// what is no file of its own or cannot be read.
bool is_parquet_file(const std::string& path);

// Where Parquet can be read here: "" or why it cannot, and what would help.
std::string why_no_parquet();

// Values that are null or no UTF-8 are bad documents, empty ones are passed by. What is damaged is
// an Error that names the row group and the row. Holds a page and its dictionary, unpacked.
class ParquetDocuments : public DocumentSource {
 public:
  // `column`: its name, dotted for a field of a struct ("doc.text"). Throws Error where the file
  // cannot be read as Parquet or has no such column of strings.
  ParquetDocuments(std::string path, std::string column);

  bool next(std::string& document) override;

 private:
  std::string path_;
  std::string name_;  // of the column
  std::unique_ptr<ParquetColumn> column_;
};

}  // namespace lathe
