// AtomicFile and MappedFile.
#include "base/atomic_file.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_text;
using test::TempDir;

size_t n_entries(const std::string& dir) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

TEST_CASE("atomic file: nothing is under the name before commit, all of it afterwards") {
  const TempDir dir;
  const std::string path = dir.file("a");
  AtomicFile file(path);
  file.write("abc");
  CHECK_FALSE(fs::exists(path));
  file.write(std::string(3 << 20, 'x'));
  file.write("end");
  CHECK(file.size() == (3u << 20) + 6);
  file.commit();
  CHECK(read_text_file(path) == "abc" + std::string(3 << 20, 'x') + "end");
  CHECK(n_entries(dir.path()) == 1);
}

TEST_CASE("atomic file: without commit the old file stays and no temporary is left") {
  const TempDir dir;
  write_file_atomically(dir.file("a"), "old");
  {
    AtomicFile file(dir.file("a"));
    file.write("new");
  }
  CHECK(read_text_file(dir.file("a")) == "old");
  CHECK(n_entries(dir.path()) == 1);
}

TEST_CASE("atomic file: write_at patches what has been written") {
  const TempDir dir;
  AtomicFile file(dir.file("a"));
  file.write("0123456789");
  file.write_at(2, "ab", 2);
  file.write("X");
  file.write_at(10, "Y", 1);
  file.commit();
  CHECK(read_text_file(dir.file("a")) == "01ab456789Y");
}

TEST_CASE("atomic file: two writers of one name do not disturb each other") {
  const TempDir dir;
  AtomicFile first(dir.file("a")), second(dir.file("a"));
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  CHECK(read_text_file(dir.file("a")) == "first");
  CHECK(n_entries(dir.path()) == 1);
}

TEST_CASE("atomic file: a symbolic link stays one and its target is replaced") {
  const TempDir dir;
  write_file_atomically(dir.file("target"), "old");
  fs::create_symlink("target", dir.file("link"));
  write_file_atomically(dir.file("link"), "new");
  CHECK(fs::is_symlink(dir.file("link")));
  CHECK(read_text_file(dir.file("target")) == "new");
}

TEST_CASE("atomic file: a full disk is an error that names the file, and devices stay") {
  if (!fs::exists("/dev/full")) return;
  CHECK(contains(error_text([] { write_file_atomically("/dev/full", "text"); }),
                 "'/dev/full': No space left on device"));
  CHECK(contains(error_text([] { write_file_atomically("/dev/full", std::string(1 << 20, 'x')); }),
                 "No space left on device"));
  CHECK(fs::is_character_file("/dev/full"));
  write_file_atomically("/dev/null", "text");
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("atomic file: a folder that is not there is an error that names the file") {
  CHECK(contains(error_text([] { AtomicFile("/no/such/folder/file"); }),
                 "cannot create '/no/such/folder/file'"));
}

TEST_CASE("atomic file: a name that belongs to a folder is an error and leaves nothing behind") {
  const TempDir dir;
  fs::create_directory(dir.file("sub"));
  CHECK(
      contains(error_text([&] { write_file_atomically(dir.file("sub"), "x"); }), "cannot rename"));
  CHECK(n_entries(dir.path()) == 1);
}

TEST_CASE("read_text_file: what cannot be read is an error") {
  const TempDir dir;
  CHECK(contains(error_text([&] { read_text_file(dir.file("none")); }), "cannot open"));
  CHECK(contains(error_text([&] { read_text_file(dir.path()); }), "cannot read"));
}

TEST_CASE("mapped file: shows all bytes, and an empty file is an empty span") {
  const TempDir dir;
  write_file_atomically(dir.file("a"), "hello");
  write_file_atomically(dir.file("empty"), "");
  MappedFile file(dir.file("a"));
  REQUIRE(file.bytes().size() == 5);
  CHECK(file.bytes()[4] == std::byte{'o'});
  CHECK(MappedFile(dir.file("empty")).bytes().empty());

  MappedFile moved(std::move(file));
  CHECK(moved.bytes().size() == 5);
  MappedFile assigned(dir.file("empty"));
  assigned = std::move(moved);
  CHECK(assigned.bytes()[0] == std::byte{'h'});
  CHECK(assigned.path() == dir.file("a"));
}

TEST_CASE("mapped file: a missing file and a folder are errors") {
  const TempDir dir;
  CHECK(contains(error_text([&] { MappedFile(dir.file("none")); }), "cannot open"));
  CHECK(contains(error_text([&] { MappedFile(dir.path()); }), "is a folder, expected a regular"));
  CHECK(contains(error_text([&] { MappedFile("/dev/null"); }), "is a device or pipe"));
}

TEST_CASE("sync_folder: a file system that cannot flush folders is no error, a missing one is") {
  CHECK_NOTHROW(sync_folder("/proc"));  // fsync() says EINVAL there, as some network ones do
  CHECK(test::contains(test::error_text([] { sync_folder("/no/such/folder"); }),
                       "'/no/such/folder'"));
}

}  // namespace
}  // namespace lathe
