// lathe data prepare, killed and gone on with.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "cli/checks.h"
#include "cli/prepared.h"

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

// Documents enough for many shards, every third one a prompt and a completion, in two files, with a
// bad one in each.
struct Corpus {
  Corpus() {
    for (const char* name : {"a.jsonl", "b.jsonl"}) {
      std::string lines;
      for (int i = 0; i < 40'000; ++i) {
        const std::string text =
            std::string(name) + " " + std::to_string(i * 7919 % 10'007) + std::string(i % 200, 'x');
        lines += i % 3 == 0 ? "{\"prompt\":\"" + text + "\",\"completion\":\"yes\"}\n"
                            : "{\"text\":\"" + text + "\"}\n";
        if (i == 1000) lines += "{]\n";
      }
      write_file(dir.file(name), lines);
    }
  }
  std::vector<std::string> command(const std::string& out,
                                   std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {LATHE_BIN_DIR "/lathe",
                                          "data",
                                          "prepare",
                                          "--tokenizer",
                                          "bytes",
                                          "--out",
                                          dir.file(out),
                                          dir.file("a.jsonl"),
                                          dir.file("b.jsonl"),
                                          "--shard-tokens",
                                          "200000",
                                          "--skip-bad",
                                          "2",
                                          "--threads",
                                          "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // What a killed run has left, with a journal in it; "" where there is none.
  std::string left(const std::string& out) const {
    for (const auto& entry : fs::directory_iterator(dir.path())) {
      if (entry.path().filename().string().starts_with(out + ".tmp-") &&
          fs::exists(entry.path() / "prepare.json")) {
        return entry.path().string();
      }
    }
    return "";
  }
  // Starts a run and sends it `signal` once `n` shards lie beside its journal.
  void interrupt(const std::string& out, int signal, size_t n,
                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> copy = command(out, more);
    std::vector<char*> argv;
    for (std::string& argument : copy) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      if (!std::freopen("/dev/null", "w", stderr)) ::_exit(126);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    for (int i = 0; i < 20'000; ++i) {
      const std::string folder = left(out);
      if (!folder.empty() && names_in(folder).size() > n) break;
      ::usleep(500);
    }
    ::kill(child, signal);
    int state = 0;
    ::waitpid(child, &state, 0);
    REQUIRE_FALSE(fs::exists(dir.file(out)));
  }
  void check_same(const std::string& one, const std::string& other) const {
    const std::vector<std::string> names = names_in(dir.file(one));
    CHECK(names.size() > 20);
    CHECK(names_in(dir.file(other)) == names);
    for (const std::string& name : names) {
      CHECK(read_file(dir.file(one) + "/" + name) == read_file(dir.file(other) + "/" + name));
    }
  }
  TempDir dir;
};

}  // namespace

TEST_CASE("data prepare --resume: killed twice, it comes to the same bytes as one never stopped") {
  const Corpus c;
  REQUIRE(run_program(c.command("whole")).status == 0);
  c.interrupt("out", SIGKILL, 6);
  c.interrupt("out", SIGKILL, 16, {"--resume"});
  const ProgramResult result = run_program(c.command("out", {"--resume"}));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  CHECK(has(result.err, "going on behind "));
  CHECK(has(result.err, "skipped 2 bad documents, the first: "));
  CHECK(has(result.err, "a.jsonl:1002"));
  c.check_same("whole", "out");
  CHECK(names_in(c.dir.path()) == std::vector<std::string>{"a.jsonl", "b.jsonl", "out", "whole"});
}

TEST_CASE("data prepare --resume: Ctrl-C leaves what there is for the next, without it nothing") {
  const Corpus c;
  c.interrupt("out", SIGINT, 6);
  CHECK(names_in(c.dir.path()) == std::vector<std::string>{"a.jsonl", "b.jsonl"});
  c.interrupt("out", SIGINT, 6, {"--resume"});
  CHECK(c.left("out") != "");
  // With nothing left it begins anew.
  REQUIRE(run_program(c.command("whole", {"--resume"})).status == 0);
  REQUIRE(run_program(c.command("out", {"--resume"})).status == 0);
  c.check_same("whole", "out");
}

TEST_CASE("data prepare --resume: another command, other files and damage are refused by name") {
  const Corpus c;
  c.interrupt("out", SIGKILL, 6);
  const auto refused = [&](const std::vector<std::string>& more,
                           const std::vector<std::string>& parts) {
    check_refused(run_program(c.command("out", more)), 1, parts);
    CHECK(c.left("out") != "");
  };
  refused({"--resume", "--val-fraction", "0.2"},
          {"begun with another --val-fraction (0.01, now 0.2)"});
  refused({"--resume", "--text-key", "x"}, {"begun with another --text-key (\"text\", now \"x\")"});
  refused({"--resume", "--prompt-key", "x"}, {"begun with another --prompt-key (\"prompt\", now"});
  refused({"--resume", "--completion-key", "x"}, {"begun with another --completion-key"});
  const std::string folder = c.left("out"), journal = folder + "/prepare.json",
                    whole = read_file(journal), shard = "/train_000000.bin";
  write_file(journal, whole.substr(0, whole.size() / 2));
  refused({"--resume"}, {"prepare.json", "not valid JSON"});
  write_file(c.left("out") + "/prepare.json", whole);
  const std::string first = read_file(c.left("out") + shard);
  write_file(c.left("out") + shard, first.substr(0, first.size() - 2));
  refused({"--resume"}, {"train_000000.bin", "is the file whole?"});
  write_file(c.left("out") + shard, first);
  write_file(c.dir.file("b.jsonl"), "{\"text\":\"changed\"}\n");
  refused({"--resume"}, {"begun with another input files"});
}
