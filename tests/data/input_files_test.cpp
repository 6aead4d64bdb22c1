// Files out of folders.
#include "data/input_files.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_text;
using test::TempDir;
using Files = std::vector<std::string>;

// A folder `d` with these files.
struct Folder {
  explicit Folder(const Files& names) {
    for (const std::string& name : names) {
      fs::create_directories(fs::path(d + "/" + name).parent_path());
      write_file_atomically(d + "/" + name, "x");
    }
  }
  // The files as names inside of `d`.
  Files list(const Files& extensions = {}, const Files& left_out = {}) const {
    Files names;
    for (const std::string& path : list_input_files({d}, extensions, left_out)) {
      names.push_back(path.substr(d.size() + 1));
    }
    return names;
  }
  TempDir dir;
  std::string d = dir.file("d");
};

TEST_CASE("input files: a folder is its files in the order of their paths, without hidden ones") {
  const Folder f({"b.py", "a.txt", "sub/c.py.gz", ".hidden.py", ".git/x.py"});
  CHECK(f.list() == Files{"a.txt", "b.py", "sub/c.py.gz"});
  CHECK(f.list({".py"}) == Files{"b.py", "sub/c.py.gz"});
  CHECK(list_input_files({f.d + "/a.txt"}, {".py"}) == Files{f.d + "/a.txt"});
  CHECK(contains(error_text([&] { f.list({".cc"}); }), "with the wanted extension"));
  CHECK(
      contains(error_text([&] { list_input_files({f.dir.file("none")}, {}); }), "does not exist"));
}

TEST_CASE("input files: what links lead to is read once, and loops end") {
  const Folder f({"real/a.txt", "real/b.txt", "c.txt"});
  const Files all = {"c.txt", "real/a.txt", "real/b.txt"};
  fs::create_directory_symlink("real", f.d + "/again");  // before "real" in the order of names
  fs::create_directory_symlink("..", f.d + "/real/up");
  fs::create_symlink("c.txt", f.d + "/a_link.txt");
  CHECK(f.list() == all);
  // What lies elsewhere is read under the link's name, once too.
  fs::create_directories(f.dir.file("other/deep"));
  write_file_atomically(f.dir.file("other/deep/o.txt"), "x");
  fs::create_directory_symlink("../other", f.d + "/x");
  fs::create_directory_symlink("../other", f.d + "/y");
  fs::create_symlink("../other/deep/o.txt", f.d + "/z.txt");
  CHECK(f.list() == Files{"c.txt", "real/a.txt", "real/b.txt", "x/deep/o.txt"});
  // Hard links are files of their own.
  fs::create_hard_link(f.d + "/c.txt", f.d + "/d.txt");
  CHECK(f.list() == Files{"c.txt", "d.txt", "real/a.txt", "real/b.txt", "x/deep/o.txt"});
}

TEST_CASE("input files: a link to nothing is an error, where its file would be read") {
  const Folder f({"a.txt"});
  fs::create_symlink("gone.txt", f.d + "/lost.txt");
  CHECK(contains(error_text([&] { f.list(); }), "lost.txt' leads to nothing"));
  CHECK(contains(error_text([&] { f.list({".txt"}); }), "lost.txt' leads to nothing"));
  fs::rename(f.d + "/lost.txt", f.d + "/lost.py");
  CHECK(f.list({".txt"}) == Files{"a.txt"});
}

TEST_CASE("input files: what is left out is left out under any name") {
  const Folder f({"a.txt", "out/b.txt", "tok.json"});
  fs::create_directory_symlink("out", f.d + "/link");
  CHECK(f.list({}, {f.d + "/out/../out", f.d + "/tok.json", f.dir.file("none")}) == Files{"a.txt"});
  CHECK(contains(error_text([&] { f.list({}, {f.d}); }), "has no file"));
  // Asked for by name it is read.
  CHECK(list_input_files({f.d + "/tok.json"}, {}, {f.d + "/tok.json"}) == Files{f.d + "/tok.json"});
}

TEST_CASE("input files: a prepared folder inside is no text") {
  const Folder f({"a.txt", "prep/dataset.json", "prep/train_000000.bin", "other/dataset.json"});
  write_file_atomically(f.d + "/prep/train_000000.bin", "\x88\xd8\x34\x01");
  CHECK(f.list() == Files{"a.txt", "other/dataset.json"});
}

TEST_CASE("input files: a folder inside that cannot be read is named") {
  const Folder f({"a.txt", "sub/locked/b.txt"});
  fs::permissions(f.d + "/sub/locked", fs::perms::none);
  if (::access((f.d + "/sub/locked").c_str(), R_OK) == 0) {
    MESSAGE("skipped: this user may read every folder");
  } else {
    CHECK(contains(error_text([&] { f.list(); }), "sub/locked': Permission denied"));
  }
  fs::permissions(f.d + "/sub/locked", fs::perms::all);
}

}  // namespace
}  // namespace lathe
