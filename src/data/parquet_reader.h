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

// Values that are null, no UTF-8 or too long are bad documents, empty ones are passed by. What is
// damaged is an Error that names the row group and the row. Holds a page and its dictionary,
// unpacked; those that could not be of documents of `most_bytes` are damage too.
class ParquetDocuments : public DocumentSource {
 public:
  // `column`: its name, dotted for a field of a struct ("doc.text"). Throws Error where the file
  // cannot be read as Parquet or has no such column of strings.
  ParquetDocuments(std::string path, std::string column, i64 most_bytes);

  bool next(std::string& document) override;
  SourcePlace place() const override { return {column_->row(), 0}; }
  void skip_to(const SourcePlace& place) override { open(place.offset); }
  i64 bytes_taken() const override;

 private:
  void open(i64 first_row);

  std::string path_;
  std::string name_;  // of the column
  i64 most_bytes_;
  i64 file_bytes_ = 0;
  std::unique_ptr<ParquetColumn> column_;
};

}  // namespace lathe
