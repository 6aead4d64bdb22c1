// The programs in examples/ print what their head comments say.
#include <doctest/doctest.h>

#include <sstream>

#include "cli/model_files.h"

using namespace lathe::test;

namespace {

// The lines that a head comment shows behind the line `heading`, without their "//   ".
std::string shown_output(const std::string& source, const std::string& heading) {
  std::istringstream in(read_file(std::string(LATHE_SOURCE_DIR) + "/examples/" + source));
  std::string output;
  bool shown = false;
  for (std::string line; std::getline(in, line) && line.starts_with("//");) {
    if (shown) output += line.substr(5) + "\n";
    if (line == heading) shown = true;
  }
  return output;
}

std::string program(const std::string& name) { return std::string(LATHE_BIN_DIR) + "/" + name; }

}  // namespace

TEST_CASE("examples: count prints what its head comment shows") {
  const std::string shown = shown_output("count.cpp", "// Without arguments it prints:");
  REQUIRE(std::count(shown.begin(), shown.end(), '\n') == 3);
  const ProgramResult result = run_program({program("example_count")});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  CHECK(result.out == shown);
}

TEST_CASE("examples: count takes any spec and overrides, and refuses wrong ones") {
  const ProgramResult result = run_program({program("example_count"), "gpt2-s", "n_layers=2"});
  CHECK(result.status == 0);
  CHECK(has(result.out, "100.0 % of the parameters"));
  const ProgramResult bad = run_program({program("example_count"), "gpt2-z"});
  CHECK(bad.status == 1);
  CHECK(has(bad.err, "did you mean"));
}

TEST_CASE("examples: generate prints what lathe generate does") {
  const ModelFiles m;
  const ProgramResult result = run_program({program("example_generate"), m.path, "ab"});
  CHECK(result.status == 0);
  CHECK(result.err == "");
  CHECK(result.out.size() > 1);
  CHECK(result.out == run_lathe({"generate", m.path, "--prompt", "ab", "--max-tokens", "40",
                                 "--temperature", "0"})
                          .out);
  CHECK(run_program({program("example_generate"), m.path}).status == 2);
  const ProgramResult missing = run_program({program("example_generate"), "none", "ab"});
  CHECK(missing.status == 1);
  CHECK(has(missing.err, "no such model"));
}
