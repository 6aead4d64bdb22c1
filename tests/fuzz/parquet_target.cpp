// Parquet, as Arrow reads it for us: hostile bytes give documents or an Error. Input: the file.
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "data/parquet_reader.h"
#include "fuzz/fuzz.h"
#include "support/parquet_files.h"

using namespace lathe;

constexpr i64 kMostBytes = 1000;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  FUZZ_CHECK(fd >= 0 && ::write(fd, data, size) == static_cast<ssize_t>(size));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  for (const char* column : {"text", "doc.text"}) {
    try {
      ParquetDocuments documents(path, column, kMostBytes);
      for (std::string text;;) {
        try {
          if (!documents.next(text)) break;
          FUZZ_CHECK(!text.empty());
        } catch (const BadDocument&) {
        }
      }
      ++fuzz::n_accepted;
    } catch (const Error& error) {
      FUZZ_CHECK(std::string_view(error.what()).find(path) != std::string_view::npos);
    }
  }
  ::close(fd);
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  test::ParquetRows rows = {"one", "two", std::nullopt, "three", "one", "", "two and more"};
  for (int i = 0; i < 40; ++i) rows.push_back("row " + std::to_string(i * 7919 % 101));
  return {
      test::parquet_file(rows),
      test::parquet_file(rows, {.compression = "snappy", .rows_in_group = 3}),
      test::parquet_file(rows, {.compression = "gzip", .dictionary = false}),
      test::parquet_file(rows, {.compression = "zstd", .rows_in_group = 20}),
      test::parquet_file({"required", "too"}, {.dictionary = false, .required = true}),
  };
}
