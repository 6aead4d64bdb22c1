// Whole runs whose precision is left open, on this CPU kept to a class.
#include <doctest/doctest.h>

#include "run/precision.h"
#include "trained_runs.h"

using namespace lathe;
using namespace lathe::train;

namespace {

// A run of so many steps where LATHE_CPU_ISA names `isa` (empty: unset).
test::ProgramResult train_on(const Folder& f, const std::string& isa, const std::string& steps,
                             std::vector<std::string> more) {
  more.insert(more.end(), {"--set", "steps=" + steps, "--set", "schedule.kind=wsd", "--set",
                           "schedule.warmup=1", "--set", "schedule.cooldown=1"});
  std::vector<std::string> command = train_command(f.run, f.dir.file("out"), f.data, more);
  command.insert(command.begin(), {"env", "LATHE_CPU_ISA=" + isa});
  return test::run_program(command);
}

Precision stored_precision(const Folder& f) {
  return load_run_spec(f.dir.file("out") + "/run.toml", {}).precision;
}

}  // namespace

TEST_CASE("a run that leaves precision open says what it takes, and keeps it on another CPU") {
  const Folder f;
  const std::vector<std::string> open = {"--set", "precision=auto"};
  const test::ProgramResult first = train_on(f, "scalar", "2", open);
  REQUIRE(first.status == 0);
  CHECK(first.err.find("precision f32: this CPU (scalar) cannot multiply bf16 itself\n") == 0);
  CHECK(stored_precision(f) == Precision::kF32);
  const test::ProgramResult on = train_on(f, "", "3", {"--set", "precision=auto", "--resume"});
  REQUIRE(on.status == 0);
  CHECK(on.err.find("multiplies bf16 itself") == std::string::npos);
  CHECK(stored_precision(f) == Precision::kF32);
}

TEST_CASE("bf16 on a CPU that cannot multiply it runs, and its cost is said") {
  const Folder f;
  const test::ProgramResult run = train_on(f, "scalar", "1", {"--set", "precision=bf16"});
  REQUIRE(run.status == 0);
  CHECK(run.err.find("precision bf16, as asked for: this CPU (scalar)") == 0);
  CHECK(stored_precision(f) == Precision::kBf16);
}

TEST_CASE("a class that LATHE_CPU_ISA does not know ends lathe-train in one line") {
  const Folder f;
  const test::ProgramResult run = train_on(f, "avx3", "1", {});
  CHECK(run.status == 1);
  CHECK(run.err.find("lathe: [cpu] LATHE_CPU_ISA names no instruction set 'avx3'") == 0);
  CHECK(run.err.find('\n') == run.err.size() - 1);
}
