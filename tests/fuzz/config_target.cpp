// JSON and TOML config files. What parses must survive printing and parsing again.
#include <nlohmann/json.hpp>

#include "base/config_tree.h"
#include "fuzz/fuzz.h"

using namespace lathe;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  try {
    const Json tree = parse_json(text, "fuzz");
    FUZZ_CHECK(parse_json(tree.dump(), "fuzz") == tree);
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  try {
    const Json tree = parse_toml(text, "fuzz");
    FUZZ_CHECK(tree.is_object());
    tree.dump();
    ++fuzz::n_accepted;
  } catch (const Error&) {
  }
  return 0;
}

std::vector<std::string> fuzz::seeds() {
  return {
      R"({"a": 1, "b": [1, 2.5, -3e-7, true, null], "c": {"d": "é\u00e9\n", "e": {}}, "f": ""})",
      "[[[[1], 2], 3], {\"x\": [{\"y\": 4}]}]",
      "# comment\nout = \"runs/tiny\"\nsteps = 2_000_000\nlr = 6e-4\nhex = 0xff\n"
      "on = true\n[model]\npreset = 'gpt2-s'\nffn_linear = {kind = \"low_rank\", rank = 4}\n"
      "[model.topology]\nkind = \"gpt\"\n[data]\npath = [\"a\", \"b\"]\n",
      "a.b.c = [1, 2, [3, \"x\"]]\ntext = \"\"\"\nmany\nlines\"\"\"\nraw = '''\\'''\n[[list]]\n"
      "x = inf\n[[list]]\nx = nan\n",
  };
}
