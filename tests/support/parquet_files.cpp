#include "support/parquet_files.h"

#include <arrow/io/memory.h>
#include <parquet/column_writer.h>
#include <parquet/encryption/encryption.h>
#include <parquet/file_writer.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>

namespace lathe::test {
namespace {

using parquet::Repetition;
using parquet::schema::GroupNode;
using parquet::schema::NodePtr;
using parquet::schema::PrimitiveNode;

NodePtr text_node(const std::string& name, Repetition::type repetition, bool is_string = true) {
  return PrimitiveNode::Make(name, repetition, is_string ? parquet::LogicalType::String() : nullptr,
                             parquet::Type::BYTE_ARRAY);
}

std::shared_ptr<GroupNode> schema_of(Repetition::type repetition) {
  const NodePtr doc = GroupNode::Make("doc", Repetition::OPTIONAL, {text_node("text", repetition)});
  const NodePtr tags = GroupNode::Make(
      "tags", Repetition::OPTIONAL,
      {GroupNode::Make("list", Repetition::REPEATED, {text_node("element", Repetition::OPTIONAL)})},
      parquet::LogicalType::List());
  return std::static_pointer_cast<GroupNode>(GroupNode::Make(
      "schema", Repetition::REQUIRED,
      {PrimitiveNode::Make("id", Repetition::REQUIRED, parquet::Type::INT64),
       text_node("text", repetition), text_node("bytes", repetition, false), doc, tags}));
}

std::shared_ptr<parquet::WriterProperties> properties_of(const ParquetLayout& layout) {
  parquet::WriterProperties::Builder builder;
  if (layout.compression == "snappy") builder.compression(parquet::Compression::SNAPPY);
  if (layout.compression == "gzip") builder.compression(parquet::Compression::GZIP);
  if (layout.compression == "zstd") builder.compression(parquet::Compression::ZSTD);
  if (!layout.dictionary) builder.disable_dictionary();
  if (layout.page_checksums) builder.enable_page_checksum();
  builder.data_pagesize(2000);
  if (layout.encrypted) {
    builder.encryption(parquet::FileEncryptionProperties::Builder(
                           arrow::util::SecureString(std::string("0123456789abcdef")))
                           .build());
  }
  return builder.build();
}

// `depth`: levels above the value's own.
void write_text(parquet::ColumnWriter* column, const std::vector<std::optional<std::string>>& rows,
                int16_t depth) {
  const int16_t most = column->descr()->max_definition_level();
  std::vector<int16_t> levels;
  std::vector<parquet::ByteArray> values;
  for (const auto& row : rows) {
    levels.push_back(row ? most : depth);
    if (row) values.emplace_back(*row);
  }
  static_cast<parquet::ByteArrayWriter*>(column)->WriteBatch(static_cast<int64_t>(rows.size()),
                                                             most > 0 ? levels.data() : nullptr,
                                                             nullptr, values.data());
}

void write_group(parquet::RowGroupWriter* group, int64_t first, const ParquetRows& rows) {
  std::vector<int64_t> ids;
  for (size_t i = 0; i < rows.size(); ++i) ids.push_back(first + static_cast<int64_t>(i));
  const auto n = static_cast<int64_t>(rows.size());
  static_cast<parquet::Int64Writer*>(group->NextColumn())
      ->WriteBatch(n, nullptr, nullptr, ids.data());
  write_text(group->NextColumn(), rows, 0);
  write_text(group->NextColumn(), rows, 0);
  write_text(group->NextColumn(), rows, 1);
  const std::vector<int16_t> zeros(rows.size());
  static_cast<parquet::ByteArrayWriter*>(group->NextColumn())
      ->WriteBatch(n, zeros.data(), zeros.data(), nullptr);
}

}  // namespace

std::string parquet_file(const ParquetRows& rows, const ParquetLayout& layout) {
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = parquet::ParquetFileWriter::Open(
      sink, schema_of(layout.required ? Repetition::REQUIRED : Repetition::OPTIONAL),
      properties_of(layout));
  for (size_t i = 0; i < rows.size(); i += layout.rows_in_group) {
    const size_t end = std::min(rows.size(), i + layout.rows_in_group);
    write_group(writer->AppendRowGroup(), static_cast<int64_t>(i),
                {rows.begin() + static_cast<std::ptrdiff_t>(i),
                 rows.begin() + static_cast<std::ptrdiff_t>(end)});
  }
  writer->Close();
  return sink->Finish().ValueOrDie()->ToString();
}

}  // namespace lathe::test
