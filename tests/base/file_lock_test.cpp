#include "base/file_lock.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

using namespace lathe;

TEST_CASE("a file lock is given once, and again after its holder is gone") {
  const test::TempDir dir;
  const std::string path = dir.file("lock");
  {
    std::optional<FileLock> first = FileLock::try_take(path);
    REQUIRE(first);
    CHECK(!FileLock::try_take(path));
    const FileLock moved = std::move(*first);
    first.reset();
    CHECK(!FileLock::try_take(path));
  }
  CHECK(FileLock::try_take(path));
}

TEST_CASE("a file lock keeps other processes out, and ends with one that is killed") {
  const test::TempDir dir;
  const std::string path = dir.file("lock");
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::optional<FileLock> held = FileLock::try_take(path);
    const char answer = held ? 'y' : 'n';
    (void)!::write(ready[1], &answer, 1);
    for (;;) ::pause();
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK(!FileLock::try_take(path));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(FileLock::try_take(path));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a file lock that cannot be made says where") {
  const test::TempDir dir;
  const std::string path = dir.file("none/lock");
  CHECK(test::contains(test::error_text([&] { FileLock::try_take(path); }), path));
}
