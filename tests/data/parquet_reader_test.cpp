// Documents out of Parquet, against the rows that Arrow's writer was given.
#include "data/parquet_reader.h"

#include <doctest/doctest.h>

#include "base/atomic_file.h"
#include "data/document_reader.h"
#include "support/error_text.h"
#include "support/parquet_files.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

using test::contains;
using test::error_text;
using test::parquet_file;
using test::ParquetLayout;
using test::ParquetRows;
using test::TempDir;
using Documents = std::vector<std::string>;

struct File {
  explicit File(const std::string& content, const std::string& name = "a.parquet")
      : path(dir.file(name)) {
    write_file_atomically(path, content);
  }
  Documents read(const std::string& column = "text", i64 max_bad = 0) const {
    DocumentReader reader({path}, {.keys = {.text = column}}, max_bad);
    Documents documents;
    for (std::string text; reader.next(text);) documents.push_back(text);
    return documents;
  }
  std::string error(const std::string& column = "text") const {
    return error_text([&] { read(column); });
  }
  TempDir dir;
  std::string path;
};

// More than a page, a row group and what is read at once; words come again and again.
ParquetRows many_rows() {
  ParquetRows rows;
  for (int i = 0; i < 1000; ++i) {
    rows.push_back("row " + std::to_string(i % 7 ? i * 7919 : 3) + std::string(i % 90, 'x'));
  }
  return rows;
}

Documents values_of(const ParquetRows& rows) {
  Documents values;
  for (const auto& row : rows) {
    if (row && !row->empty()) values.push_back(*row);
  }
  return values;
}

TEST_CASE("parquet: the values of the column are the documents, however they are stored") {
  const ParquetRows rows = many_rows();
  for (const char* compression : {"none", "snappy", "gzip", "zstd"}) {
    for (const bool dictionary : {true, false}) {
      for (const size_t rows_in_group : {1000, 130, 1}) {
        CAPTURE(compression);
        CAPTURE(dictionary);
        CAPTURE(rows_in_group);
        const File file(parquet_file(rows, {.compression = compression,
                                            .dictionary = dictionary,
                                            .required = dictionary,
                                            .rows_in_group = rows_in_group}));
        for (const char* column : {"text", "bytes", "doc.text"}) {
          CHECK(file.read(column) == values_of(rows));
        }
      }
    }
  }
}

TEST_CASE("parquet: a file is known by its bytes, and its empty values are passed by") {
  CHECK(File(parquet_file({"a", "", "b"}), "part-0").read() == Documents{"a", "b"});
  CHECK(File(parquet_file({})).read() == Documents{});
  CHECK(
      contains(File("PAR1 is what it begins with", "a.parquet").error(), "not Parquet or is cut"));
  CHECK(contains(File("", "A.PARQUET").error(), "not Parquet or is cut"));
  CHECK(File("PAR1 is what it begins with", "a.txt").read().size() == 1);
}

TEST_CASE("parquet: null and what is no UTF-8 are bad documents, with their rows") {
  const File nulls(parquet_file({"a", std::nullopt, "b", std::nullopt}));
  CHECK(contains(nulls.error(), "a.parquet' row 2: null in the column 'text', expected text"));
  CHECK(nulls.read("text", 2) == Documents{"a", "b"});
  CHECK(nulls.read("doc.text", 2) == Documents{"a", "b"});
  const File odd(parquet_file({"a", "b\xFFz", "c"}));
  CHECK(contains(odd.error(), "a.parquet' row 2: byte 2 is no UTF-8"));
  CHECK(odd.read("text", 1) == Documents{"a", "c"});
}

TEST_CASE("parquet: a value that is too long is a bad document") {
  const File file(parquet_file({"a", std::string(2000, 'x'), "b"}, {.compression = "zstd"}));
  DocumentReader reader({file.path}, {.most_bytes = 1999}, 1);
  std::string text, all;
  while (reader.next(text)) all += text;
  CHECK(all == "ab");
  CHECK(
      contains(reader.first_bad(), "a.parquet' row 2: a document of 2000 bytes, expected at most"));
}

TEST_CASE("parquet: a column that is not there or not of strings is an error that names those") {
  const File file(parquet_file({"a"}));
  CHECK(contains(file.error("content"),
                 "it has no column 'content'; there are 'id', 'text', 'bytes', 'doc.text', "
                 "'tags.list.element'; --text-key chooses"));
  CHECK(contains(file.error("id"), "its column 'id' is of INT64, expected strings"));
  CHECK(contains(file.error("doc"), "its column 'doc' is nested, expected strings"));
  CHECK(contains(file.error("tags.list.element"), "is of lists, expected one string a row"));
}

TEST_CASE("parquet: reading goes on from any row") {
  const ParquetRows rows = {"a", "b", std::nullopt, "c", "", "d", "e", "f"};
  const File file(parquet_file(rows, {.rows_in_group = 3}));
  DocumentReader reader({file.path}, {}, 1);
  std::string text, rest = "abcdef";
  while (reader.next(text)) {
    rest.erase(0, 1);
    DocumentReader again({file.path}, {}, 1);
    again.skip_to(reader.place());
    std::string all, next;
    while (again.next(next)) all += next;
    CHECK(all == rest);
  }
  CHECK(rest.empty());
}

TEST_CASE("parquet: an encrypted file is an error") {
  const std::string error = File(parquet_file({"a"}, {.encrypted = true})).error();
  CHECK(contains(error, "a.parquet' cannot be read as Parquet: "));
  CHECK(contains(error, "encrypted"));
}

TEST_CASE("parquet: a file that is cut or damaged is an error of one line, never a crash") {
  const ParquetRows rows = {"one", "two", std::nullopt, "three", "one"};
  const std::string whole = parquet_file(rows, {.rows_in_group = 2, .page_checksums = true});
  for (size_t n = 0; n < whole.size(); n += 7) {
    const std::string error = File(whole.substr(0, n)).error();
    CHECK(contains(error, "a.parquet'"));
    CHECK_FALSE(contains(error, "\n"));
    // The end is there, and points at the wrong places.
    CHECK(error_text([&] { File(whole.substr(n / 2, n) + whole.substr(n)).read("text", 9); }) !=
          "none");
  }
  // With checksums no damage to a page goes unseen.
  const size_t at = whole.find("three");
  REQUIRE(at != std::string::npos);
  std::string damaged = whole;
  damaged[at] = 'T';
  const File file(damaged);
  const std::string error = error_text([&] { file.read("text", 9); });
  CHECK(contains(error, "a.parquet' is damaged at row 3 (row group 2): "));
}

}  // namespace
}  // namespace lathe
