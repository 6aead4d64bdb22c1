#include "run/spec_source.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "support/temp_dir.h"

using namespace lathe;

TEST_CASE("model spec: found by preset, spec file, run file and model directory") {
  const test::TempDir folder;
  ModelSpec spec;
  spec.d_ff = 48;
  const std::string json = to_json(spec).dump();
  write_file_atomically(folder.file("config.json"), json);
  write_file_atomically(folder.file("spec.json"), json);
  write_file_atomically(folder.file("run.toml"),
                        "steps = 3\n[model]\nspec = \"spec.json\"\nd_ff = 96\n");
  write_file_atomically(folder.file("preset.toml"), "[model]\npreset = \"gpt2-s\"\nd_ff = 96\n");
  write_file_atomically(folder.file("from.toml"),
                        "[model]\ninit_from = \"" + folder.path() + "\"\n");
  write_file_atomically(folder.file("two.toml"), "[model]\npreset = \"gpt2-s\"\nspec = \"x\"\n");
  write_file_atomically(folder.file("list.json"), "[1]");
  const auto d_ff = [](const std::string& source) { return load_model_spec(source, {}).d_ff; };
  CHECK(d_ff("gpt2-s") == 3072);
  CHECK(d_ff(folder.path()) == 48);
  CHECK(d_ff(folder.file("spec.json")) == 48);
  CHECK(d_ff(folder.file("run.toml")) == 96);
  CHECK(d_ff(folder.file("preset.toml")) == 96);
  CHECK(d_ff(folder.file("from.toml")) == 48);
  CHECK(load_model_spec(folder.path(), {"d_ff=12"}).d_ff == 12);
  CHECK_THROWS_WITH_AS(load_model_spec(folder.file("two.toml"), {}),
                       doctest::Contains("more than one of preset, spec, init_from"), Error);
  CHECK_THROWS_WITH_AS(load_model_spec("gpt2-small", {}), doctest::Contains("'gpt2-small'"), Error);
  CHECK_THROWS_WITH_AS(load_model_spec("gpt2-z", {}), doctest::Contains("did you mean 'gpt2-"),
                       Error);
  CHECK_THROWS_AS(load_model_spec(folder.file("list.json"), {}), Error);
  CHECK_THROWS_AS(load_model_spec(folder.file("list.json"), {"d_ff=12"}), Error);
  CHECK_THROWS_AS(load_model_spec(std::string(5000, 'x'), {}), Error);
}
