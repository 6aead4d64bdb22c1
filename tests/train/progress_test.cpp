// What a run shows while it goes: one line on a terminal, rows elsewhere, and nothing that a
// terminal would obey.
#include "run/progress.h"

#include <doctest/doctest.h>

#include "base/terminal_line.h"
#include "support/error_text.h"
#include "support/terminal.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;
using test::contains;

TEST_CASE("progress fits every width, and says less where there is less room") {
  StepMetrics m;
  m.step = 1234;
  m.steps = 100'000;
  m.loss = 4.56789;
  m.lr = 1e-3;
  m.grad_norm = 0.5;
  m.tokens_per_s = 12'345;
  m.peak_share = 0.61;
  for (int columns = 1; columns < 200; ++columns) {
    CAPTURE(columns);
    CHECK(count_columns(progress_text(m, 4020, columns)) <= columns);
  }
  CHECK(progress_text(m, 4020, 150) ==
        "1234/100000 [                        ] loss 4.5679  lr 1.00e-03  norm 0.50  "
        "12.3k tokens/s  61% of peak  1h07m left");
  CHECK(progress_text(m, 4020, 79) ==
        "1234/100000  loss 4.5679  norm 0.50  12.3k tokens/s  1h07m left");
  CHECK(progress_text(m, 4020, 40) == "1234/100000  loss 4.5679  1h07m left");
  CHECK(progress_text(m, 4020, 5) == "1234/");
}

TEST_CASE("lathe train on a terminal: one line that is rewritten, narrower than any terminal") {
  const Folder f;
  for (const int columns : {200, 80, 33, 7}) {
    CAPTURE(columns);
    test::Terminal terminal(columns);
    const std::string out = f.dir.file("out" + std::to_string(columns));
    const std::string written = terminal.run(train_command(f.run, out, f.data));
    CAPTURE(written);
    REQUIRE(terminal.status == 0);
    const test::Screen screen = test::screen_after(written);
    REQUIRE(!screen.erased.empty());
    for (const std::string& row : screen.erased) {
      CHECK(count_columns(row) < columns);
      CHECK(contains(row, "/40"));
    }
    // What stays: the start, two validations, the end.
    CHECK(screen.rows.size() == 4);
    for (const std::string& row : screen.rows) CHECK(!contains(row, "/40 "));
  }
}

TEST_CASE("lathe train into a file: a row every log_every steps, samples on one valid line each") {
  const Folder f;
  const auto result = test::run_program(
      train_command(f.run, f.dir.file("out"), f.data, {"--set", "sample_every=10"}));
  REQUIRE(result.status == 0);
  int rows = 0, samples = 0;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    CHECK(one_line(line) == line);  // valid UTF-8 without control characters
    rows += line.starts_with("step ") && contains(line, "/40  loss");
    samples += contains(line, ": sample: The");
  }
  CHECK(rows == 5);  // 1, 10, 20, 30, 40
  CHECK(samples == 4);
}
