// liblathe_parquet.so: the only source that includes Apache Arrow. Arrow checks what it reads; what
// it does not check (a row count that the pages do not have) is checked here.
#include "data/parquet_plugin.h"

#include <arrow/io/file.h>
#include <arrow/memory_pool.h>
#include <parquet/column_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

namespace lathe {
namespace {

constexpr i64 kRowsAtOnce = 64;
constexpr i64 kBufferBytes = i64{1} << 20;
constexpr int kMostNames = 20;  // of columns in a message

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string names_of(const parquet::SchemaDescriptor& schema) {
  std::string names;
  for (int i = 0; i < std::min(schema.num_columns(), kMostNames); ++i) {
    names += (i > 0 ? ", '" : "'") + schema.Column(i)->path()->ToDotString() + "'";
  }
  if (schema.num_columns() > kMostNames) {
    names += " and " + std::to_string(schema.num_columns() - kMostNames) + " more";
  }
  return names.empty() ? "none" : names;
}

bool is_text(const parquet::ColumnDescriptor& column) {
  if (column.physical_type() != parquet::Type::BYTE_ARRAY) return false;
  const auto& logical = column.logical_type();
  // Older writers say nothing of a string but that it is bytes.
  return logical == nullptr || logical->is_none() || logical->is_string() || logical->is_JSON() ||
         logical->is_enum();
}

int find_column(const parquet::SchemaDescriptor& schema, const std::string& name) {
  bool is_group = false;
  for (int i = 0; i < schema.num_columns(); ++i) {
    const parquet::ColumnDescriptor& column = *schema.Column(i);
    const std::string path = column.path()->ToDotString();
    is_group = is_group || path.starts_with(name + ".");
    if (path != name) continue;
    if (column.max_repetition_level() > 0) {
      throw Refused("its column '" + name + "' is of lists, expected one string a row");
    }
    if (!is_text(column)) {
      const bool plain = column.logical_type() == nullptr || column.logical_type()->is_none();
      throw Refused("its column '" + name + "' is of " +
                    (plain ? parquet::TypeToString(column.physical_type())
                           : column.logical_type()->ToString()) +
                    ", expected strings; there are " + names_of(schema));
    }
    return i;
  }
  if (is_group) {
    throw Refused("its column '" + name + "' is nested, expected strings; there are " +
                  names_of(schema) + "; --text-key chooses");
  }
  throw Refused("it has no column '" + name + "'; there are " + names_of(schema) +
                "; --text-key chooses");
}

class ArrowColumn : public ParquetColumn {
 public:
  explicit ArrowColumn(const ParquetRequest& request)
      : pool_(arrow::default_memory_pool(), request.most_memory) {
    auto opened = arrow::io::ReadableFile::Open(request.path, &pool_);
    if (!opened.ok()) throw Refused(opened.status().ToString());
    parquet::ReaderProperties properties(&pool_);
    properties.enable_buffered_stream();
    properties.set_buffer_size(kBufferBytes);
    properties.set_page_checksum_verification(true);
    file_ = parquet::ParquetFileReader::Open(*opened, properties);
    metadata_ = file_->metadata();
    column_ = find_column(*metadata_->schema(), request.column);
    most_level_ = metadata_->schema()->Column(column_)->max_definition_level();
    if (metadata_->num_rows() < 0) throw Refused("it says that it has fewer than 0 rows");
    skip_to(request.first_row);
  }

  Step next(std::string_view& text, std::string& problem) noexcept override {
    try {
      while (at_ == n_held_) {
        if (!fill()) return Step::kEnd;
      }
      ++row_;
      if (levels_[at_++] < most_level_) return Step::kNull;
      const parquet::ByteArray& value = values_[value_++];
      text = {reinterpret_cast<const char*>(value.ptr), value.len};
      return Step::kText;
    } catch (const std::exception& error) {
      problem = error.what();
      return Step::kDamaged;
    }
  }

  i64 row() const noexcept override { return row_; }
  i64 n_rows() const noexcept override { return metadata_->num_rows(); }
  int row_group() const noexcept override { return std::max(n_opened_ - 1, 0); }

 private:
  // More rows into the arrays; false at the end of the file.
  bool fill() {
    while (left_ == 0) {
      check_end_of_group();
      if (n_opened_ == metadata_->num_row_groups()) return end();
      open_group();
    }
    // Nothing but values held counts as much as a level that says so.
    levels_.fill(most_level_);
    i64 n_values = 0;
    n_held_ = static_cast<size_t>(reader_->ReadBatch(std::min(left_, kRowsAtOnce), levels_.data(),
                                                     nullptr, values_.data(), &n_values));
    if (n_held_ == 0) throw Refused("its pages hold fewer rows than it says");
    const i64 n_there =
        std::count(levels_.begin(), levels_.begin() + static_cast<i64>(n_held_), most_level_);
    if (n_there != n_values) throw Refused("a page holds fewer values than it says");
    left_ -= static_cast<i64>(n_held_);
    at_ = value_ = 0;
    return true;
  }

  bool end() {
    if (row_ == metadata_->num_rows()) return false;
    throw Refused("its row groups hold " + std::to_string(row_) + " rows, expected " +
                  std::to_string(metadata_->num_rows()) + " as it says");
  }

  void check_end_of_group() const {
    if (reader_ && reader_->HasNext()) throw Refused("its pages hold more rows than it says");
  }

  void open_group() {
    reader_.reset();
    group_ = file_->RowGroup(n_opened_++);
    left_ = group_->metadata()->num_rows();
    if (left_ < 0) throw Refused("a row group says that it has fewer than 0 rows");
    const auto chunk = group_->metadata()->ColumnChunk(column_);
    if (chunk->crypto_metadata() != nullptr) throw Refused("its column is encrypted");
    reader_ = std::dynamic_pointer_cast<parquet::ByteArrayReader>(group_->Column(column_));
    if (!reader_) throw Refused("a row group has another type of column than the file");
  }

  // Whole row groups are passed by, and the rows of one that is begun are read.
  void skip_to(i64 first_row) {
    for (; n_opened_ < metadata_->num_row_groups(); ++n_opened_) {
      const i64 n = metadata_->RowGroup(n_opened_)->num_rows();
      if (n < 0 || row_ + n > first_row) break;
      row_ += n;
    }
    std::string_view ignored;
    std::string problem;
    while (row_ < first_row) {
      const Step step = next(ignored, problem);
      if (step == Step::kDamaged) throw Refused(problem);
      if (step == Step::kEnd) return;
    }
  }

  arrow::CappedMemoryPool pool_;
  std::unique_ptr<parquet::ParquetFileReader> file_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::shared_ptr<parquet::RowGroupReader> group_;
  std::shared_ptr<parquet::ByteArrayReader> reader_;
  int column_ = 0;
  int16_t most_level_ = 0;
  int n_opened_ = 0;
  i64 left_ = 0;  // rows of the group that are not in the arrays yet
  i64 row_ = 0;
  std::array<int16_t, kRowsAtOnce> levels_{};
  std::array<parquet::ByteArray, kRowsAtOnce> values_{};
  size_t n_held_ = 0, at_ = 0, value_ = 0;
};

}  // namespace
}  // namespace lathe

extern "C" lathe::ParquetColumn* lathe_open_parquet(const lathe::ParquetRequest& request,
                                                    std::string& problem) {
  try {
    return new lathe::ArrowColumn(request);
  } catch (const std::exception& error) {
    problem = error.what();
    return nullptr;
  }
}
