// Study files: what parses has a grid whose names are single folders, all different.
#include <set>

#include "base/atomic_file.h"
#include "fuzz/fuzz.h"
#include "study/study.h"

using namespace lathe;
using namespace lathe::study;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Study study = parse_study(fuzz::as_text(data, size), "fuzz");
    const std::vector<Contest> contests = study_contests(study);
    std::set<std::string> names;
    size_t n = 0;
    for (const Contest& contest : contests) {
      FUZZ_CHECK(!contest.cells.empty());
      for (const Cell& cell : contest.cells) {
        for (const i64 seed : study.seeds) {
          const std::string name = run_name(cell, seed);
          FUZZ_CHECK(is_plain_file_name(name));
          names.insert(name);
          ++n;
        }
      }
    }
    FUZZ_CHECK(n > 0 && names.size() == n);
    FUZZ_CHECK(count_runs(study, contests) <= n);
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {
      "out = \"o\"\nrun = \"b.toml\"\nseeds = [1, 22]\naxes = [\"size\", \"rate\"]\n"
      "best = \"rate\"\n[[size]]\nname = \"d64\"\nset = {\"model.d_model\" = 64, flops = 1e9}\n"
      "[[size]]\nname = \"d128\"\nset = {model = {d_model = 128}}\n[[rate]]\nname = \"1e3\"\n"
      "set = {optimizer.lr = 1e-3}\n[[rate]]\nname = \"2e3\"\nonly = {size = [\"d64\"]}\n",
      "out = \"o\"\nseeds = [3]\n",
  };
}
