// Ctrl-C during long work.
#include <doctest/doctest.h>

#include "cli/checks.h"

using namespace lathe::test;

namespace {

// Starts lathe in a folder with an idle pipe `pipe`, waits for a file or folder *.tmp-PID, then
// sends a signal. One that is not heeded ends as a kill, 137, after some seconds.
ProgramResult interrupt(const TempDir& dir, const std::string& signal, const std::string& setup,
                        const std::string& arguments) {
  const std::string script =
      "set -m; cd '" + dir.path() + "'; " + setup + "\n" +
      "[ -p pipe ] || mkfifo pipe; exec 3<>pipe\n" LATHE_BIN_DIR "/lathe " + arguments +
      " & pid=$!; set +m\n" +
      "for i in $(seq 1000); do compgen -G \"*.tmp-$pid\" >/dev/null && break; sleep 0.01; done\n"
      "sleep 0.1; kill -" +
      signal +
      " $pid\n"
      "( sleep 5; kill -KILL $pid ) 2>/dev/null & killer=$!\n"
      "wait $pid; status=$?; kill -KILL $killer; exit $status";
  return run_program({"bash", "-c", script});
}

}  // namespace

TEST_CASE("a signal ends a command that waits for its input, and nothing is left") {
  const TempDir dir;
  for (const char* signal : {"INT", "TERM", "HUP"}) {
    CAPTURE(signal);
    check_refused(interrupt(dir, signal, "", "data prepare --tokenizer bytes --out out pipe 3>&-"),
                  1, {"[data] interrupted; nothing was written"});
    check_refused(
        interrupt(dir, signal, "", "tokenizer train --vocab-size 300 --out t.json pipe 3>&-"), 1,
        {"[tokenizer train] interrupted; nothing was written"});
    CHECK(names_in(dir.path()) == std::vector<std::string>{"pipe"});
  }
}

TEST_CASE("a signal ends a tokenizer's training in the middle of its work") {
  const TempDir dir;
  std::string text;  // words of which none is like another
  for (unsigned i = 1; i < 200'000; ++i) {
    for (unsigned x = i * 2654435761u; x > 0; x /= 26) text += static_cast<char>('a' + x % 26);
    text += ' ';
  }
  write_file(dir.file("text"), text);
  check_refused(interrupt(dir, "INT", "", "tokenizer train --vocab-size 60000 --out t.json text"),
                1, {"interrupted"});
  CHECK(names_in(dir.path()) == std::vector<std::string>{"pipe", "text"});
}

TEST_CASE("a signal that was ignored from the start stays ignored") {
  const TempDir dir;
  const ProgramResult result = interrupt(dir, "HUP", "trap '' HUP",
                                         "data prepare --tokenizer bytes "
                                         "--out out <(sleep 0.5; echo hi)");
  CAPTURE(result.err);
  CHECK(result.status == 0);
  CHECK(names_in(dir.path()) == std::vector<std::string>{"out", "pipe"});
}
