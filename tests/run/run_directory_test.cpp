// Run directories: checkpoints are whole or not there, and the whole ones are those that stay.
#include "run/run_directory.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/atomic_file.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_text;
using test::TempDir;
using Steps = std::vector<i64>;

void publish(RunDirectory& run, i64 step) {
  run.publish(step, [&](const std::string& folder) {
    write_file_atomically(folder + "/config.json", "{}");
    write_file_atomically(folder + "/weights", "weights of " + std::to_string(step));
  });
}

// Another byte in a file of the same length.
void damage_file(const std::string& path) {
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(3) << "#";
}

TEST_CASE("checksums.json: a list of file names and 32-bit sums, anything else is an error") {
  const auto sums = parse_checksums(R"({"a":0,"b c":4294967295})", "c");
  CHECK(sums == std::map<std::string, uint32_t>{{"a", 0}, {"b c", 4294967295}});
  const auto error = [](const std::string& text) {
    return error_text([&] { parse_checksums(text, "c"); });
  };
  CHECK(contains(error(""), "c: not valid JSON"));
  CHECK(contains(error("[1]"), "not an object"));
  CHECK(contains(error("{}"), "not an object"));
  for (const char* name : {"", ".", "..", "/etc/passwd", "../x", "a/b", "a\\u0000b"}) {
    CAPTURE(name);
    CHECK(contains(error("{\"" + std::string(name) + "\":1}"), "no name of a file in the folder"));
  }
  for (const char* sum : {"-1", "4294967296", "1.5", "\"1\"", "null", "[]"}) {
    CAPTURE(sum);
    CHECK(contains(error("{\"a\":" + std::string(sum) + "}"), "'a' has no checksum"));
  }
  CHECK(contains(error("{\"a\":" + std::string(100'000, '[') + "}"), "nested"));
}

TEST_CASE("checkpoints: what is published is whole, and any damage is found and named") {
  const TempDir dir;
  RunDirectory run(dir.file("run"));
  publish(run, 5);
  CHECK(!run.damage(5));
  CHECK(read_text_file(run.file("latest")) == "checkpoints/step-5\n");
  const std::string folder = run.checkpoint(5);
  const auto damaged = [&](const std::string& part) {
    const auto why = run.damage(5);
    publish(run, 5);
    return why && contains(*why, part);
  };
  damage_file(folder + "/weights");
  CHECK(damaged("weights does not have its checksum"));
  fs::resize_file(folder + "/weights", 4);
  CHECK(damaged("weights does not have its checksum"));
  fs::remove(folder + "/weights");
  CHECK(damaged("weights"));
  fs::remove(folder + "/checksums.json");
  CHECK(damaged("checksums.json"));
  write_file_atomically(folder + "/checksums.json", "{}");
  CHECK(damaged("checksums.json"));
  CHECK(!run.damage(5));
  CHECK(run.damage(6));  // not there
}

TEST_CASE("checkpoints: a folder holds a run once it has a checkpoint, with or without 'latest'") {
  const TempDir dir;
  CHECK(!holds_run(dir.file("none")));
  RunDirectory run(dir.file("run"));
  CHECK(!holds_run(dir.file("run")));
  fs::create_directories(run.file("checkpoints/.unfinished-7"));
  CHECK(!holds_run(dir.file("run")));
  publish(run, 5);
  CHECK(holds_run(dir.file("run")));
  fs::remove(run.file("latest"));
  CHECK(holds_run(dir.file("run")));
  run.remove_unfinished();
  CHECK(!fs::exists(run.file("checkpoints/.unfinished-7")));
  CHECK(run.steps() == Steps{5});
}

TEST_CASE("checkpoints: a failure while one is written leaves the earlier ones and nothing else") {
  const TempDir dir;
  RunDirectory run(dir.file("run"));
  publish(run, 1);
  CHECK_THROWS_AS(run.publish(2,
                              [](const std::string& folder) {
                                write_file_atomically(folder + "/config.json", "{}");
                                fail("the disk is full");
                              }),
                  Error);
  CHECK(run.steps() == Steps{1});
  CHECK(std::distance(fs::directory_iterator(run.file("checkpoints")), {}) == 1);
  CHECK(read_text_file(run.file("latest")) == "checkpoints/step-1\n");
}

TEST_CASE("checkpoints: the newest whole one is found, and each damaged one on the way is said") {
  const TempDir dir;
  RunDirectory run(dir.file("run"));
  std::vector<std::string> said;
  const auto say = [&](const std::string& text) { said.push_back(text); };
  CHECK(!run.newest_whole(say));
  for (const i64 step : {9, 10, 100}) publish(run, step);
  fs::create_directory(run.file("checkpoints/step-x"));
  CHECK(run.newest_whole(say) == 100);
  CHECK(said.empty());
  damage_file(run.checkpoint(100) + "/weights");
  damage_file(run.checkpoint(10) + "/weights");
  CHECK(run.newest_whole(say) == 9);
  REQUIRE(said.size() == 2);
  CHECK(contains(said[0], "step-100 is damaged"));
  CHECK(contains(said[1], "step-10 is damaged"));

  said.clear();
  CHECK(model_directory(dir.file("run"), say) == run.checkpoint(9));
  CHECK(said.size() == 2);
  CHECK(model_directory(run.checkpoint(100)) == run.checkpoint(100));  // asked for by name
  damage_file(run.checkpoint(9) + "/weights");
  CHECK(contains(error_text([&] { model_directory(dir.file("run")); }), "no whole checkpoint"));
  CHECK(contains(error_text([&] { model_directory(dir.file("none")); }), "no such"));
  CHECK(contains(error_text([&] { model_directory(dir.path()); }), "neither"));
}

TEST_CASE("checkpoints: pruning keeps the newest whole ones and the best") {
  const TempDir dir;
  RunDirectory run(dir.file("run"));
  for (const i64 step : {10, 20, 30, 40, 50}) publish(run, step);
  run.prune(2, 20);
  CHECK(run.steps() == Steps{20, 40, 50});
  run.prune(2, -1);
  CHECK(run.steps() == Steps{40, 50});
  run.prune(5, -1);
  CHECK(run.steps() == Steps{40, 50});
}

TEST_CASE("checkpoints: a damaged one does not count among those that pruning keeps") {
  const TempDir dir;
  {
    RunDirectory before(dir.file("run"));
    for (const i64 step : {10, 20, 30, 40, 50}) publish(before, step);
  }
  RunDirectory run(dir.file("run"));  // of the process that resumes
  damage_file(run.checkpoint(50) + "/weights");
  damage_file(run.checkpoint(30) + "/weights");
  REQUIRE(run.newest_whole(nullptr) == 40);
  publish(run, 45);
  run.prune(3, -1);
  CHECK(run.steps() == Steps{20, 30, 40, 45, 50});  // whole: 20, 40, 45
  publish(run, 50);                                 // written anew, so whole again
  run.prune(3, -1);
  CHECK(run.steps() == Steps{40, 45, 50});
}

TEST_CASE("checkpoints: pruning reads what an earlier process left once, and its own never") {
  const TempDir dir;
  {
    RunDirectory before(dir.file("run"));
    for (const i64 step : {10, 20}) publish(before, step);
  }
  RunDirectory run(dir.file("run"));
  publish(run, 30);
  run.prune(3, -1);  // has read 10 and 20
  // Were any of them read again, it would be found damaged and 5 would stay.
  publish(run, 5);
  for (const i64 step : {10, 20, 30}) damage_file(run.checkpoint(step) + "/weights");
  run.prune(3, -1);
  CHECK(run.steps() == Steps{10, 20, 30});
}

TEST_CASE("run directory: looking at one that is not there makes nothing") {
  const test::TempDir dir;
  RunDirectory run(dir.file("run"));
  CHECK(run.steps().empty());
  CHECK(!run.newest_whole(nullptr));
  run.remove_unfinished();
  run.prune(1, -1);
  CHECK(!std::filesystem::exists(dir.file("run")));
}

}  // namespace
}  // namespace lathe
