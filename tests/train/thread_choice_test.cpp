// Which number of threads a run goes on with, from made-up times, and what it keeps when resumed.
#include "train/thread_choice.h"

#include <doctest/doctest.h>

#include <fstream>

#include "run/resume.h"
#include "support/temp_dir.h"

using namespace lathe;
using namespace lathe::train;

namespace {

struct Outcome {
  std::optional<int> chosen;
  std::vector<int> threads;  // of each update
  int left = 0;              // LibTorch's number afterwards
};

// A run of twelve updates, from number `first` on, where LibTorch has three threads.
Outcome run_with(i64 asked, double seconds_on_all, double seconds_on_one, i64 first = 0) {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  ThreadChoice choice(asked, at::kCPU);
  Outcome outcome;
  for (i64 update = first; update < 12; ++update) {
    choice.before(update);
    outcome.threads.push_back(at::get_num_threads());
    const bool all = at::get_num_threads() > 1;
    // One update that something disturbed decides nothing.
    const double disturbed = update == 2 || update == 3 ? 0.3 : 0;
    const auto chosen = choice.after(update, (all ? seconds_on_all : seconds_on_one) + disturbed);
    if (chosen) outcome.chosen = chosen;
  }
  outcome.left = at::get_num_threads();
  at::set_num_threads(before);
  return outcome;
}

}  // namespace

TEST_CASE("thread_choice: one thread where it is faster, all where they are or about as fast") {
  const Outcome one = run_with(0, 0.10, 0.08);
  CHECK(one.chosen == 1);
  CHECK(one.threads == std::vector<int>{3, 3, 3, 1, 3, 1, 3, 1, 1, 1, 1, 1});
  CHECK(one.left == 1);
  for (const double seconds_on_one : {0.15, 0.10, 0.098}) {
    const Outcome all = run_with(0, 0.10, seconds_on_one);
    CHECK(all.chosen == 3);
    CHECK(all.left == 3);
  }
}

TEST_CASE("thread_choice: nothing is tried where the run file says how many, or updates are long") {
  const std::vector<int> always(12, 3);
  CHECK(run_with(3, 0.10, 0.05).threads == always);
  const Outcome slow = run_with(0, 1.5, 0.5);
  CHECK(slow.threads == always);
  CHECK(!slow.chosen.has_value());
}

TEST_CASE("thread_choice: a run that goes on from its fifth update tries nothing") {
  const Outcome resumed = run_with(0, 0.10, 0.05, 5);
  CHECK(!resumed.chosen.has_value());
  CHECK(resumed.threads == std::vector<int>(7, 3));
}

TEST_CASE("a resumed run keeps what it chose, and takes what it is told") {
  const test::TempDir dir;
  RunSpec run;
  run.out = dir.path();
  CHECK(print_toml(with_kept_choices(run)) == print_toml(run));
  RunSpec stored = run;
  stored.threads = 1;
  for (const Precision chosen : {Precision::kBf16, Precision::kF32}) {
    stored.precision = chosen;
    std::ofstream(dir.file("run.toml")) << print_toml(stored);
    CHECK(with_kept_choices(run).precision == chosen);
    CHECK(with_kept_choices(run).threads == 1);
    RunSpec told = run;
    told.threads = 4;
    told.precision = Precision::kF32;
    CHECK(print_toml(with_kept_choices(told)) == print_toml(told));
  }
}
