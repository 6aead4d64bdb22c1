#include "data/parquet_reader.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "base/utf8.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "liblathe_parquet.so";
constexpr const char* kHowToGetIt =
    "run 'scripts/setup --parquet' and 'scripts/build', or convert it to JSON lines";
// Pages are of a megabyte or so; one of a document is as long as that, and there are two of a page,
// packed and not.
constexpr i64 kPagesBytes = i64{256} << 20;

// The library lies beside the program and stays loaded.
struct Library {
  OpenParquet open = nullptr;
  std::string problem;
};

Library load_library() {
  Library library;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path path = program.parent_path() / kLibrary;
  if (error || !fs::exists(path, error)) {
    library.problem = format("this build of lathe has no {}; {}", kLibrary, kHowToGetIt);
    return library;
  }
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) {
    library.open = reinterpret_cast<OpenParquet>(::dlsym(handle, kOpenParquet));
  }
  if (library.open == nullptr) {
    const char* reason = ::dlerror();
    library.problem = format("{} cannot be loaded ({}); {}", kLibrary,
                             one_line(reason != nullptr ? reason : "no reason given"), kHowToGetIt);
  }
  return library;
}

const Library& library() {
  static const Library loaded = load_library();
  return loaded;
}

// What Arrow says, without the line end that Thrift puts behind.
std::string reason_of(std::string_view problem) {
  while (problem.ends_with('\n')) problem.remove_suffix(1);
  return one_line(problem);
}

bool is_magic(std::string_view bytes) { return bytes == "PAR1" || bytes == "PARE"; }

}  // namespace

bool is_parquet_file(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  std::ifstream in(path, std::ios::binary);
  std::array<char, 4> head, tail;
  return in.read(head.data(), 4) && is_magic({head.data(), 4}) && in.seekg(-4, std::ios::end) &&
         in.read(tail.data(), 4) && is_magic({tail.data(), 4});
}

std::string why_no_parquet() { return library().problem; }

ParquetDocuments::ParquetDocuments(std::string path, std::string column, i64 most_bytes)
    : path_(std::move(path)), name_(std::move(column)), most_bytes_(most_bytes) {
  if (!is_parquet_file(path_)) {
    fail(
        "[data] '{}' is not Parquet or is cut short (no PAR1 at both its ends), expected a whole "
        "Parquet file that is not packed; copy it again",
        path_);
  }
  if (library().open == nullptr) fail("[data] '{}' is Parquet: {}", path_, library().problem);
  open(0);
  std::error_code ignored;
  file_bytes_ = static_cast<i64>(fs::file_size(path_, ignored));
}

void ParquetDocuments::open(i64 first_row) {
  std::string problem;
  column_.reset(library().open({path_, name_, first_row, kPagesBytes + 2 * most_bytes_}, problem));
  if (!column_) fail("[data] '{}' cannot be read as Parquet: {}", path_, reason_of(problem));
}

i64 ParquetDocuments::bytes_taken() const {
  const double share = static_cast<double>(column_->row()) /
                       static_cast<double>(std::max<i64>(column_->n_rows(), 1));
  return static_cast<i64>(share * static_cast<double>(file_bytes_));
}

bool ParquetDocuments::next(std::string& document) {
  for (;;) {
    std::string_view text;
    std::string problem;
    switch (column_->next(text, problem)) {
      case ParquetColumn::Step::kEnd:
        return false;
      case ParquetColumn::Step::kDamaged:
        fail("[data] '{}' is damaged at row {} (row group {}): {}", path_, column_->row() + 1,
             column_->row_group() + 1, reason_of(problem));
      case ParquetColumn::Step::kNull:
        throw BadDocument(format("[data] '{}' row {}: null in the column '{}', expected text",
                                 path_, column_->row(), name_));
      case ParquetColumn::Step::kText:
        break;
    }
    if (static_cast<i64>(text.size()) > most_bytes_) {
      throw BadDocument(
          format("[data] '{}' row {}: a document of {} bytes, expected at most {}; "
                 "--max-document-bytes allows more",
                 path_, column_->row(), text.size(), most_bytes_));
    }
    if (const size_t valid = valid_utf8_prefix(text); valid < text.size()) {
      throw BadDocument(format("[data] '{}' row {}: byte {} is no UTF-8, expected text", path_,
                               column_->row(), valid + 1));
    }
    if (text.empty()) continue;
    document.assign(text);
    return true;
  }
}

}  // namespace lathe
